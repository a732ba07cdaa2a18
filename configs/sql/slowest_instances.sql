-- Where the time goes: the slowest instances, with the seconds of each stage and per frame.
select instance_id, modality, transfer_syntax, frames, bytes_in, status, code,
    round(coalesce(seconds_read, 0) + coalesce(seconds_mask, 0) + coalesce(seconds_tags, 0) + coalesce(seconds_verify, 0) + coalesce(seconds_write, 0), 3) as seconds,
    round(seconds_read, 3) as read, round(seconds_mask, 3) as mask, round(seconds_tags, 3) as tags, round(seconds_verify, 3) as verify,
    round(seconds_write, 3) as write, round(seconds_mask / greatest(frames, 1), 4) as mask_per_frame
from 'audit/instances/*.parquet'
order by seconds desc, instance_id
limit 25;
