"""Tags: the PS3.15 table and its engine, UIDs, dates, pseudonyms."""
