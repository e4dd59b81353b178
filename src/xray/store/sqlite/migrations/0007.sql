-- what comparing groups of runs takes from a body, as numbers in dim, so that it need not be opened;
-- null where it was not kept apart
-- 0 for no reason, no declared type and no params; else msgpack: the number of the declared type and
-- that of the params (0 for none), then in turn the number of each reason and how many it rejected
alter table steps add column brief blob;
-- 0 for none; the text of params in dim is what arrived, msgpack
alter table runs add column params integer;
