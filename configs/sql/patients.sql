-- What a recipient gets: studies, series, instances and bytes of each new patient identifier.
select PatientID_deid, count(distinct StudyInstanceUID_deid) as studies, count(distinct SeriesInstanceUID_deid) as series, count(*) as instances,
    string_agg(distinct modality, ' ' order by modality) as modalities, sum(bytes_out) as bytes_out
from 'audit/instances/*.parquet'
where status = 'saved'
group by PatientID_deid
order by instances desc, PatientID_deid;
