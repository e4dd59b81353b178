-- what was said last about a run (is_run, candidate '') or a candidate of it; a label that was taken
-- back stays as a row without one, so that an earlier one that arrives late does not come back
create table labels (
    run_id blob not null,
    is_run integer not null,
    candidate text not null,
    label integer,
    labelled_at integer not null,
    label_id blob not null,
    labelled_by text,
    note text,
    primary key (run_id, is_run, candidate)
) without rowid;
create index label_by_time on labels (labelled_at, label_id) where label is not null;
create index label_of_candidate on labels (label, run_id) where is_run = 0 and label is not null;

-- labels of runs that have not arrived
create table waiting_labels (
    run_id blob primary key
) without rowid;

-- the label of a run itself: numbered as in labels; null without one
alter table runs add column label integer;
create index run_by_label on runs (label, started_at) where label is not null;

-- the ids a run has in other systems, each of which leads to it
create table correlated (
    id text not null,
    run integer not null,
    primary key (id, run)
) without rowid;
insert or ignore into correlated (id, run)
    select json_each.value, runs.seq from runs, json_each(runs.correlation)
    where runs.correlation is not null and json_each.type = 'text';
