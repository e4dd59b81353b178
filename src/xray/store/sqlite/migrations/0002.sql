-- minute = µs since 1970 of its start; several facts may tell of one minute
create table tallies (
    seq integer primary key,
    tally_id blob not null unique,
    pipeline integer not null,
    minute integer not null,
    data blob not null
);
create index tally_by_pipeline on tallies (pipeline, minute);
create index tally_by_minute on tallies (minute);
