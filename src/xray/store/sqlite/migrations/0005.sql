-- what was usual of the steps of one name, type and day (days since 1970): an encoded Usual
create table baselines (
    pipeline integer not null,
    name integer not null,
    step_type integer not null,
    day integer not null,
    usual blob not null,
    primary key (pipeline, name, step_type, day)
) without rowid;

-- steps numbered from filled_from on are counted in baselines; the others are being filled in
create table baseline_fill (
    filled_from integer not null
);
insert into baseline_fill (filled_from) select coalesce(max(seq), 0) + 1 from steps;
