create table dim (
    id integer primary key,
    kind integer not null,
    text text not null,
    unique (kind, text)
);

create table runs (
    seq integer primary key,
    run_id blob not null unique,
    known integer not null,
    pipeline integer not null,
    status integer not null,
    started_at integer not null,
    duration_ms real,
    repository integer,
    version integer,
    environment integer,
    key text,
    attempt integer not null,
    weight real not null,
    tags text,
    metadata text,
    correlation text,
    error text
);
create index run_by_pipeline_status on runs (pipeline, status, started_at);
create index run_by_pipeline on runs (pipeline, started_at);
create index run_by_time on runs (started_at);

-- id = run << 2 | kind; kind: 0 start, 1 end, 2 patches, 3 earliest step
create table run_facts (
    id integer primary key,
    data blob not null
);

create table steps (
    seq integer primary key,
    step_id blob not null unique,
    run integer not null,
    ordinal integer not null,
    pipeline integer not null,
    name integer not null,
    step_type integer not null,
    status integer not null,
    started_at integer not null,
    duration_ms real,
    attempt integer not null,
    parent_step_id blob,
    input_count integer,
    output_count integer,
    rejected_count integer not null,
    accepted_count integer not null,
    selected_count integer not null,
    rejection_rate real,
    rate_basis integer,
    score real,
    capture integer not null,
    stats text,
    error text
);
create index step_by_run on steps (run, ordinal);
create index step_by_type on steps (step_type, started_at, rejection_rate);
create index step_by_time on steps (started_at, pipeline, name, rejection_rate, duration_ms);

create table step_bodies (
    seq integer primary key,
    data blob not null
);

-- a step whose decisions arrived before itself
create table early_steps (
    step_id blob primary key,
    seq integer not null
) without rowid;

-- id = step << 12 | position of the row group among those of the step, as they arrived
create table blocks (
    id integer primary key,
    chunk integer not null,
    part integer not null,
    data blob not null
);

create table codec_dict (
    generation integer not null,
    kind integer not null,
    data blob not null,
    primary key (generation, kind)
) without rowid;

-- window = step >> 16; a segment is cut into 2^bits parts by hash
create table cand_seg (
    id integer primary key,
    window integer not null,
    level integer not null,
    bits integer not null,
    entries integer not null
);

-- id = segment << 12 | part; data = sorted little-endian u64: hash48 << 16 | step & 65535
create table cand_post (
    id integer primary key,
    data blob not null
);

-- state: 0 chunks are missing, 1 to be merged, 2 merged, its chunks to be deleted, 3 done;
-- received = a bit for each chunk that came; fates = what the codes in the parts stand for
create table rosters (
    seq integer primary key,
    total integer not null,
    held integer not null,
    state integer not null,
    received blob not null,
    fates blob not null
);
create index roster_by_work on rosters (state) where state in (1, 2);

-- id = step << 12 | chunk; data = sorted little-endian u64 hashes, then their u16 codes
create table roster_chunks (
    id integer primary key,
    fates blob not null,
    data blob not null
);

-- id = (step << 12 | part of the universe of hashes) << 8 | piece of the part
create table roster_parts (
    id integer primary key,
    data blob not null
);
