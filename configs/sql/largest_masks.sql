-- The masks that cover most of their frame: the first to look at when anatomy may have been hidden.
select instance_id, i.modality, e.frame, e.x, e.y, e.w, e.h, e.entity_type, e.detector, round(e.score, 3) as score,
    round(100 * e.w::double * e.h / (i."rows"::double * i."columns"), 2) as percent_of_frame
from 'audit/entities/*.parquet' e join 'audit/instances/*.parquet' i using (instance_id)
where e.action = 'masked' and e.w is not null and i."rows" > 0 and i."columns" > 0
order by percent_of_frame desc, instance_id, e.frame, e.y, e.x
limit 50;
