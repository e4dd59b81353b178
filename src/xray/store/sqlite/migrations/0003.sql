-- the statistics that have rows in step_stats: of steps numbered from filled_from on, while the
-- others are being filled in; rows of one that is not wanted any more are being deleted
create table indexed_stats (
    id integer primary key,
    name text not null unique,
    filled_from integer not null,
    is_wanted integer not null
);
insert into indexed_stats (name, filled_from, is_wanted)
    select 'filter_rate', coalesce(max(seq), 0) + 1, 1 from steps;

-- hour = hours since 1970 in which the step began; value has no type, so that whole numbers stay
-- exact
create table step_stats (
    stat integer not null,
    hour integer not null,
    value not null,
    seq integer not null,
    primary key (stat, hour, value, seq)
) without rowid;
