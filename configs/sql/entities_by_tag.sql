-- Which elements were changed, and by which rule. Item numbers are left out of the path, so that items of one sequence count together.
select regexp_replace(tag_path, '\[[0-9]+\]', '[]', 'g') as element, vr, rule, action, count(*) as findings, count(distinct instance_id) as instances
from 'audit/entities/*.parquet'
where tag_path is not null
group by all
order by findings desc, element;
