-- RESTRICTED: series that save conditions filtered, the condition that did it, and in how many instances. Opens the crosswalk, which holds the
-- original identifiers and raw tag values: run it only where you may see them, and do not share the result.
with evaluated as (
    select SeriesInstanceUID, instance_id, unnest(save_conditions_evaluations) as evaluation
    from 'restricted/crosswalk/*.parquet'
    where code = 'save_condition')
select SeriesInstanceUID, evaluation.condition.condition_type as condition_type, evaluation.condition.value as value,
    evaluation.condition.dicom_tag as dicom_tag, any_value(evaluation.tag_value) as a_tag_value, count(*) as instances
from evaluated
where not evaluation.evaluated_value
group by all
order by instances desc, SeriesInstanceUID;
