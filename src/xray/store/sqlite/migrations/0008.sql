-- the run that whoever sent the step's decisions named, so that they go with it
alter table early_steps add column run integer;
