-- The findings with the lowest scores: what a reviewer should look at first, masked or kept.
select instance_id, i.modality, e.frame, e.tag_path, e.entity_type, e.action, e.detector, round(e.score, 3) as score, e.x, e.y, e.w, e.h
from 'audit/entities/*.parquet' e join 'audit/instances/*.parquet' i using (instance_id)
where e.score < 1
order by e.score, instance_id
limit 100;
