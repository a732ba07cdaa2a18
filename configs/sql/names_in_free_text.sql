-- Identifying text inside elements that were kept and cleaned: which elements of this archive people write names and dates into.
select regexp_replace(tag_path, '\[[0-9]+\]', '[]', 'g') as element, entity_type, count(*) as findings,
    count(distinct text_hash) as distinct_texts, count(distinct instance_id) as instances
from 'audit/entities/*.parquet'
where tag_path is not null and action = 'cleaned'
group by all
order by findings desc;
