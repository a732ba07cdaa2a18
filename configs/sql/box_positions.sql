-- Where masks sit, as ninths of the frame (row and column 0 to 2): scanners write in corners, so a mask in the middle (1, 1) deserves a look.
select i.modality, least(2, 3 * (e.y + e.h / 2) // i."rows")::int as third_down, least(2, 3 * (e.x + e.w / 2) // i."columns")::int as third_across,
    count(*) as boxes, count(distinct instance_id) as instances
from 'audit/entities/*.parquet' e join 'audit/instances/*.parquet' i using (instance_id)
where e.action = 'masked' and e.w is not null and i."rows" > 0 and i."columns" > 0
group by all
order by boxes desc;
