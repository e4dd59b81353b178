-- what was usual of the steps of one name, type and day (days since 1970): an encoded Usual. By day
-- first, so that what a transaction changes lies together
create table baselines (
    day integer not null,
    pipeline integer not null,
    name integer not null,
    step_type integer not null,
    usual blob not null,
    primary key (day, pipeline, name, step_type)
) without rowid;

-- steps numbered from filled_from on are counted in baselines; the others are being filled in
create table baseline_fill (
    filled_from integer not null
);
insert into baseline_fill (filled_from) select coalesce(max(seq), 0) + 1 from steps;
