-- How the inputs ended: rows, share and bytes by status. Run in the output folder.
select status, count(*) as instances, round(100 * count(*) / sum(count(*)) over (), 2) as percent, sum(bytes_in) as bytes_in, sum(bytes_out) as bytes_out
from 'audit/instances/*.parquet'
group by status
order by instances desc;
