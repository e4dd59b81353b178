-- runs that were forgotten, by a hash of their ids: what comes of them later is refused; is_clean
-- tells whether everything they left was swept up
create table forgotten (
    id bytea primary key,
    is_clean smallint not null
);

-- One row. Whoever takes back what others remember (numbers of texts, dictionaries) counts epoch up;
-- generation is the one whose dictionaries are to be used.
create table upkeep (
    epoch bigint not null,
    generation integer not null
);
insert into upkeep (epoch, generation) select 1, coalesce(max(generation), 0) from codec_dict;
