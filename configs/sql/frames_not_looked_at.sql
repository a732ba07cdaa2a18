-- Frames of saved instances that no engine read, with the evidence on which they were passed (shared with another frame, triage, …), and those
-- of instances that do not claim clean pixels at all.
with runs as (
    select instance_id, modality, pixels_cleaned, unnest(frame_decisions) as run
    from 'audit/instances/*.parquet'
    where status = 'saved')
select modality, run.method as method, pixels_cleaned, sum(run.count) as frames, sum(run.masked * run.count) as boxes, count(distinct instance_id) as instances
from runs
where not regexp_matches(run.method, 'ocr|;second') or not pixels_cleaned
group by all
order by pixels_cleaned nulls first, frames desc;
