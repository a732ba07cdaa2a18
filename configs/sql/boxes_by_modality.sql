-- Burned-in text by modality: how many saved instances had any, boxes per instance, and the part of the frame that masks cover.
with covered as (
    select instance_id, count(*) as boxes, sum(w::double * h) as pixels, count(distinct frame) as frames
    from 'audit/entities/*.parquet'
    where action = 'masked' and w is not null
    group by instance_id)
select i.modality, count(*) as saved, count(c.instance_id) as with_text, round(100 * count(c.instance_id) / count(*), 2) as percent_with_text,
    sum(c.boxes) as boxes, round(avg(c.boxes), 1) as boxes_each, round(100 * avg(c.pixels / (i."rows"::double * i."columns" * c.frames)), 3) as percent_covered
from 'audit/instances/*.parquet' i left join covered c using (instance_id)
where i.status = 'saved'
group by i.modality
order by boxes desc nulls last;
