-- RESTRICTED: the original file of each quarantined instance, for whoever repairs or removes it. Holds source URLs: do not share the result.
select c.url, i.instance_id, i.code, i.stage, i.detail, i.modality, i.bytes_in
from 'audit/instances/*.parquet' i join 'restricted/crosswalk/*.parquet' c using (instance_id)
where i.status = 'quarantined'
order by i.code, c.url;
