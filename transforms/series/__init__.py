"""Series: grouping key, save conditions, aggregation, chunks."""
