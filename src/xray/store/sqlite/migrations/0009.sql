-- runs that were forgotten, by a hash of their ids: what comes of them later is refused; is_clean
-- tells whether everything they left was swept up
create table forgotten (
    id blob primary key,
    is_clean integer not null
) without rowid;
