-- Why inputs were not saved: code, the stage that gave it, and how often, by modality. Details hold numbers and keywords only.
select status, code, stage, modality, count(*) as instances, min(detail) as a_detail
from 'audit/instances/*.parquet'
where status <> 'saved'
group by all
order by status desc, instances desc, code;
