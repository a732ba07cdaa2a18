-- What was found: entity types and actions, with the detectors that found them. A null type is a whole element that the table of PS3.15 names.
select entity_type, action, detector, count(*) as findings, count(distinct instance_id) as instances, round(avg(score), 3) as mean_score
from 'audit/entities/*.parquet'
group by all
order by findings desc;
