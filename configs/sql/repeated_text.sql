-- The same text in many places: equal hashes are equal texts (nobody can read them back). A text on thousands of images is a hospital's name or a
-- scanner's label; one on a few is a person. Where all text in pixels is masked (REDACT_ALL_TEXT), most of it is never read, and has no hash.
select text_hash, entity_type, count(*) as findings, count(distinct instance_id) as instances, count(*) filter (frame is not null) as in_pixels,
    count(*) filter (tag_path is not null) as in_elements
from 'audit/entities/*.parquet'
where text_hash is not null
group by all
having count(distinct instance_id) > 1
order by instances desc, findings desc, text_hash
limit 100;
