-- A step has up to 65,536 row groups: id = step << 16 | position. By way of negative numbers, since
-- the number of one is what another had before.
update blocks set id = -((id >> 12 << 16) | (id & 4095));
update blocks set id = -id;
