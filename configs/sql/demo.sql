-- What was found, and what was done about it. Run in the output folder.
select entity_type, action, detector, count(*) as findings, count(distinct instance_id) as instances
from 'audit/entities/*.parquet'
group by all
order by findings desc
limit 12;
