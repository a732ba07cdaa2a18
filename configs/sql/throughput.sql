-- Throughput by modality and transfer syntax: seconds of work per instance and per frame, and MB of input per second of work.
with timed as (
    select *, coalesce(seconds_read, 0) + coalesce(seconds_mask, 0) + coalesce(seconds_tags, 0) + coalesce(seconds_verify, 0)
        + coalesce(seconds_write, 0) as seconds
    from 'audit/instances/*.parquet')
select modality, transfer_syntax, count(*) as instances, sum(frames) as frames, round(avg(seconds), 4) as seconds_each,
    round(quantile_cont(seconds, 0.95), 4) as seconds_95, round(sum(seconds) / nullif(sum(frames), 0), 4) as seconds_per_frame,
    round(sum(bytes_in) / 1e6 / nullif(sum(seconds), 0), 2) as mb_per_second
from timed
where seconds > 0
group by all
order by sum(seconds) desc;
