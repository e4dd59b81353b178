create table dim (
    id integer generated always as identity primary key,
    kind smallint not null,
    -- the text of params is what arrived, msgpack, each byte as the character of its number
    text text collate "C" not null,
    -- the text with cases folded, as UTF-8: what contains looks in
    folded bytea not null,
    unique (kind, text)
);

-- A number is the day a record came, in days since 2020, and a count: what came in one period lies
-- in one partition of every table. 28 bits are the count; it begins again after them, never within
-- a day.
create sequence run_numbers minvalue 0 maxvalue 268435455 start 1 cycle;
create sequence step_numbers minvalue 0 maxvalue 268435455 start 1 cycle;
create function next_number(source regclass) returns bigint language sql volatile as $$
    select (floor(extract(epoch from clock_timestamp()) / 86400)::bigint - 18262) << 28
        | nextval(source)
$$;

-- the periods that have partitions: from the first day to before the last, in days since 2020
create table periods (
    first_day integer primary key,
    beyond_day integer not null
);

-- Every id that was named gets its number here, whatever came of it. A unique index of a
-- partitioned table would have to hold what the table is partitioned by; and who writes about a run
-- or a step holds its row here meanwhile.
create table run_ids (
    run_id bytea primary key,
    seq bigint not null
);
create table step_ids (
    step_id bytea primary key,
    seq bigint not null unique,
    -- the run that whoever sent the decisions of a step named, where they came before it
    run bigint
);
create index step_id_by_run on step_ids (run) where run is not null;

create table runs (
    seq bigint primary key,
    run_id bytea not null,
    known smallint not null,
    pipeline integer not null,
    status smallint not null,
    started_at bigint not null,
    duration_ms double precision,
    repository integer,
    version integer,
    environment integer,
    key text collate "C",
    attempt bigint not null,
    weight double precision not null,
    tags jsonb,
    metadata jsonb,
    correlation jsonb,
    error jsonb,
    params integer,
    label smallint,
    key_folded bytea
) partition by range (seq);
create index run_by_id on runs (run_id);
create index run_by_pipeline_status on runs (pipeline, status, started_at, run_id);
create index run_by_pipeline on runs (pipeline, started_at, run_id);
create index run_by_time on runs (started_at, run_id);
create index run_by_label on runs (label, started_at) where label is not null;
create index run_by_metadata on runs using gin (metadata jsonb_path_ops);
create index run_by_tags on runs using gin (tags jsonb_path_ops);

-- id = run << 2 | kind; kind: 0 start, 1 end, 2 patches, 3 earliest step
create table run_facts (
    id bigint primary key,
    data bytea not null
) partition by range (id);

create table steps (
    seq bigint primary key,
    step_id bytea not null,
    run bigint not null,
    ordinal bigint not null,
    pipeline integer not null,
    name integer not null,
    step_type smallint not null,
    status smallint not null,
    started_at bigint not null,
    duration_ms double precision,
    attempt bigint not null,
    parent_step_id bytea,
    input_count bigint,
    output_count bigint,
    rejected_count bigint not null,
    accepted_count bigint not null,
    selected_count bigint not null,
    rejection_rate double precision,
    rate_basis smallint,
    score double precision,
    capture smallint not null,
    stats jsonb,
    error jsonb,
    -- what comparing groups of runs takes from a body: empty for nothing, null where it is not kept
    -- apart; else msgpack: the number of the declared type and that of the params (0 for none),
    -- then in turn the number of each reason and how many it rejected
    brief bytea
) partition by range (seq);
create index step_by_id on steps (step_id);
create index step_by_run on steps (run, ordinal);
create index step_by_type on steps (step_type, started_at, step_id, rejection_rate);
create index step_by_time on steps (started_at, step_id);
create index step_by_stats on steps using gin (stats jsonb_path_ops);

-- a step whose decisions arrived before itself
create view early_steps as
    select step_id, seq, run from step_ids
    where not exists (select 1 from steps where steps.seq = step_ids.seq);

create table step_bodies (
    seq bigint primary key,
    data bytea not null
) partition by range (seq);

-- id = step << 16 | position of the row group among those of the step, as they arrived
create table blocks (
    id bigint primary key,
    chunk integer not null,
    part integer not null,
    data bytea not null
) partition by range (id);

create table codec_dict (
    generation integer not null,
    kind integer not null,
    data bytea not null,
    primary key (generation, kind)
);

-- window = step >> 16; a segment is cut into 2^bits parts by hash
create table cand_seg (
    id bigint generated always as identity primary key,
    "window" bigint not null,
    level smallint not null,
    bits smallint not null,
    entries bigint not null
);
create index seg_by_window on cand_seg ("window", level);

-- id = segment << 12 | part; data = sorted little-endian u64: hash48 << 16 | step & 65535
create table cand_post (
    id bigint primary key,
    data bytea not null
);

-- state: 0 chunks are missing, 1 to be merged, 2 merged, its chunks to be deleted, 3 done;
-- received = a bit for each chunk that came; fates = what the codes in the parts stand for
create table rosters (
    seq bigint primary key,
    total bigint not null,
    held bigint not null,
    state smallint not null,
    received bytea not null,
    fates bytea not null
) partition by range (seq);
create index roster_by_work on rosters (state) where state in (1, 2);

-- id = step << 12 | chunk; data = sorted little-endian u64 hashes, then their u16 codes
create table roster_chunks (
    id bigint primary key,
    fates bytea not null,
    data bytea not null
) partition by range (id);

-- id = (step << 12 | part of the universe of hashes) << 8 | piece of the part
create table roster_parts (
    id bigint primary key,
    data bytea not null
) partition by range (id);

-- minute = µs since 1970 of its start; several facts may tell of one minute
create table tallies (
    seq bigint generated always as identity primary key,
    tally_id bytea not null unique,
    pipeline integer not null,
    minute bigint not null,
    data bytea not null
);
create index tally_by_pipeline on tallies (pipeline, minute);
create index tally_by_minute on tallies (minute);

-- the statistics that have rows in step_stats: of steps numbered from filled_from on, while the
-- others are being filled in; rows of one that is not wanted any more are being deleted
create table indexed_stats (
    id integer generated always as identity primary key,
    name text collate "C" not null unique,
    filled_from bigint not null,
    is_wanted integer not null
);
insert into indexed_stats (name, filled_from, is_wanted) values ('filter_rate', 1, 1);

-- hour = hours since 1970 in which the step began
create table step_stats (
    stat integer not null,
    hour bigint not null,
    value numeric not null,
    seq bigint not null,
    primary key (stat, hour, value, seq)
);

-- What was usual of the steps of one name, type and day (days since 1970): encoded Usuals, which
-- add up. Each transaction adds a row, so that none waits for another; they are merged later.
create table baselines (
    id bigint generated always as identity primary key,
    day bigint not null,
    pipeline integer not null,
    name integer not null,
    step_type smallint not null,
    usual bytea not null
);
create index baseline_by_day on baselines (day, pipeline, name, step_type);

-- what was said last about a run (is_run, candidate '') or a candidate of it; a label that was taken
-- back stays as a row without one, so that an earlier one that arrives late does not come back
create table labels (
    run_id bytea not null,
    is_run smallint not null,
    candidate text collate "C" not null,
    label smallint,
    labelled_at bigint not null,
    label_id bytea not null,
    labelled_by text collate "C",
    note text collate "C",
    primary key (run_id, is_run, candidate)
);
create index label_by_time on labels (labelled_at, label_id) where label is not null;
create index label_of_candidate on labels (label, run_id) where is_run = 0 and label is not null;

-- labels of runs that have not arrived
create table waiting_labels (
    run_id bytea primary key
);

-- the ids a run has in other systems, each of which leads to it
create table correlated (
    id text collate "C" not null,
    run bigint not null,
    primary key (id, run)
);
