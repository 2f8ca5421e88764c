-- Counting uses: of every request, exactly, and never in a request's way.
--
-- A token's own row is never written when it is used: every request with a hot token would queue behind
-- that row, and its revocation behind all of them. There are two ways instead.
--
--   Journal   Each use, of reads too, is a message in the write-ahead log: no lock, no transaction ID, no
--             commit to flush, and it survives a rollback. It is 25 bytes: the token's id, 1 for used or 0 for
--             denied, and the time in microseconds since 2000. collect_usage() folds the messages into the
--             counters. A logical replication slot keeps them until then, and a migration cannot make one:
--             an operator calls enable_usage_journal() once.
--   Counters  Where no journal is kept, a read-write request adds to a counter row of its token that nobody
--             holds; so a token has as many rows as it ever had requests at the same time. Read-only
--             requests cannot write, and are not recorded.

create table babelon_private.api_token_uses (
  id             bigint      not null generated always as identity,
  token_id       uuid        not null,
  uses           bigint      not null default 0,
  last_used_at   timestamptz,
  denials        bigint      not null default 0,
  last_denied_at timestamptz,
  constraint api_token_uses_pkey primary key (id),
  constraint api_token_uses_token_id_fkey foreign key (token_id)
    references babelon_private.api_tokens (id) on delete cascade
) with (fillfactor = 50);  -- room for updates in place
create index api_token_uses_token_id_idx on babelon_private.api_token_uses (token_id);

-- How far the journal is: one row while it is on, none while it is off.
create table babelon_private.usage_journal (
  id            boolean     not null default true,
  slot_name     name        not null,
  folded_before pg_lsn      not null,
  as_of         timestamptz not null,
  restarted_at  timestamptz,
  constraint usage_journal_pkey primary key (id),
  constraint usage_journal_one_row_check check (id)
);

-- NOTE: no policies, because no role of the API is granted these tables; definer functions alone read and write them.
alter table babelon_private.api_token_uses enable row level security;
alter table babelon_private.usage_journal  enable row level security;

comment on table babelon_private.api_token_uses is
  'Usage counters; a token''s are the sums and maxima over its rows. Denials: right secret, but revoked; known with the journal only.';
comment on table babelon_private.usage_journal is
  'The journal''s state, while it is on. Every message that starts before folded_before is in the counters; as_of is how far that is in time; restarted_at is when a lost slot was last made anew, so that uses just before may be missing.';

-- Whether the journal is on. Every request asks, and reading a table for it costs some microseconds of each; so the
-- body is the answer, and switching the journal replaces it. Nothing in it depends on a search_path, and with one set
-- it could not be inlined.
create function babelon_private.usage_is_journalled()
returns boolean
language sql stable
return false;

create function babelon_private.count_use(used_token_id uuid)
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  update babelon_private.api_token_uses u
     set uses = u.uses + 1,
         last_used_at = greatest(u.last_used_at, clock_timestamp())
   where u.id = (
     select free.id
       from babelon_private.api_token_uses free
      where free.token_id = used_token_id
      limit 1
        for no key update skip locked);
  if not found then
    insert into babelon_private.api_token_uses (token_id, uses, last_used_at)
    values (used_token_id, 1, clock_timestamp());
  end if;
end
$$;

-- The output plugin wants a publication; one without tables keeps everybody's rows out of the decoding.
create publication babelon_usage;

-- A slot belongs to one database, its name to the whole server. Whoever makes, drops or reads it holds the advisory
-- lock 'babelon.usage_journal' of the database. A dump has the journal's state but no slot, so in a restored database the
-- name in the state is that of another database's.
create function babelon_private.create_usage_slot(out slot_name name, out start pg_lsn)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  slot_name := 'babelon_usage_' || (select oid from pg_database where datname = current_database());
  perform pg_drop_replication_slot(s.slot_name)  -- a lost one, or one that an earlier try left behind
     from pg_replication_slots s where s.slot_name = create_usage_slot.slot_name;
  start := (pg_create_logical_replication_slot(slot_name, 'pgoutput')).lsn;
end
$$;

create function babelon_private.enable_usage_journal()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  slot record;
begin
  perform pg_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0));
  if exists (select from babelon_private.usage_journal j join pg_replication_slots s on s.slot_name = j.slot_name
              where s.database = current_database()) then
    return;
  elsif current_setting('wal_level') <> 'logical' then
    raise object_not_in_prerequisite_state using
      message = format('the usage journal needs wal_level = logical, and it is %s', current_setting('wal_level')),
      hint = 'Set it and restart the server, as hosted Supabase has it; until then read-only requests are not counted.';
  end if;
  -- First: a transaction that has written cannot make a slot.
  select * into slot from babelon_private.create_usage_slot();
  insert into babelon_private.usage_journal (slot_name, folded_before, as_of)
  values (slot.slot_name, slot.start, clock_timestamp())
  on conflict (id) do update
    set slot_name = excluded.slot_name, folded_before = excluded.folded_before,
        as_of = excluded.as_of, restarted_at = excluded.as_of;
  create or replace function babelon_private.usage_is_journalled()
  returns boolean language sql stable return true;

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.schedule($1, $2, $3)'
      using 'babelon-collect-usage', '* * * * *', 'select babelon_private.collect_usage()';
  else
    raise warning 'pg_cron is not installed, so nobody collects the usage journal but lists, within their budget'
      using hint = 'Let a scheduler call babelon_private.collect_usage() every minute: what is not collected keeps the write-ahead log.';
  end if;
  if current_setting('max_slot_wal_keep_size') = '-1' then
    raise warning 'max_slot_wal_keep_size is not set: a journal that nobody collects can fill the disk';
  end if;
end
$$;

create function babelon_private.disable_usage_journal()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  slot name;
begin
  perform pg_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0));
  begin
    perform babelon_private.collect_usage();
  exception when others then
    raise warning 'the last uses are lost, because collecting them failed: %', sqlerrm;
  end;
  create or replace function babelon_private.usage_is_journalled()
  returns boolean language sql stable return false;
  delete from babelon_private.usage_journal returning slot_name into slot;
  perform pg_drop_replication_slot(s.slot_name)
     from pg_replication_slots s where s.slot_name = slot and s.database = current_database();

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobname) from cron.job where jobname = $1' using 'babelon-collect-usage';
  end if;
end
$$;

-- Folds the journal into the counters, and returns how far they go in time; NULL where no journal is kept.
--
-- Exactly once: peeking leaves the slot where it is, and how far was folded commits with the counters. Only
-- the next collection lets the slot forget what that one committed.
-- Bounded, when it is asked to be: it goes at most max_bytes of log forward, whoever wrote them, and folds at most
-- max_messages; and where decoding would have to begin 16 times as far behind, as it must while an old transaction
-- that has written is open, it leaves that to a collection without bounds. That one also makes a lost slot anew.
-- Definer, so that a scheduler's role needs nothing but EXECUTE.
create function babelon_private.collect_usage(max_bytes bigint default null, max_messages int default null)
returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  -- pgoutput's 'M', flags, LSN, our prefix and its NUL, and the length come before what was written.
  header_length constant int := 1 + 1 + 8 + length('babelon.use') + 1 + 4;
  journal babelon_private.usage_journal;
  slot    record;
  made    record;
  reach   record;
  goal    pg_lsn;
begin
  -- One collector at a time; whoever comes meanwhile is content with what there is.
  if not pg_try_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0)) then
    return (select j.as_of from babelon_private.usage_journal j);
  end if;
  select * into journal from babelon_private.usage_journal;
  if not found then
    return null;
  end if;

  select s.restart_lsn, s.confirmed_flush_lsn, s.active, s.wal_status into slot
    from pg_replication_slots s where s.slot_name = journal.slot_name and s.database = current_database();
  if not found or slot.wal_status = 'lost' then
    if max_bytes is null then
      select * into made from babelon_private.create_usage_slot();
      journal.as_of := clock_timestamp();
      update babelon_private.usage_journal
         set slot_name = made.slot_name, folded_before = made.start, as_of = journal.as_of, restarted_at = journal.as_of;
      raise warning 'the usage journal lost its replication slot, and starts anew: uses before % may be missing', journal.as_of
        using hint = 'max_slot_wal_keep_size bounds the log that a slot keeps; collect more often, or raise it.';
    end if;
    return journal.as_of;
  elsif slot.active or journal.folded_before - slot.restart_lsn > 16 * max_bytes then
    return journal.as_of;
  end if;

  -- What starts before this has been counted, and the slot passes over it from now on.
  if journal.folded_before > slot.confirmed_flush_lsn then
    perform pg_replication_slot_advance(journal.slot_name, journal.folded_before);
  end if;

  -- Where this mark is found, everything that was journalled by now has been found. A slot yields flushed log
  -- only; PostgreSQL 17 can flush it with the mark, before that it is found by a later collection.
  execute case when current_setting('server_version_num')::int >= 170000
    then 'select pg_logical_emit_message(false, $1, $2, true)'
    else 'select pg_logical_emit_message(false, $1, $2)' end
    using 'babelon.use', uuid_send('00000000-0000-0000-0000-000000000000') || '\x02'::bytea || timestamptz_send(clock_timestamp());
  goal := least(pg_current_wal_flush_lsn(), journal.folded_before + max_bytes::numeric);

  with peeked as (
    select m.lsn, m.data
      from pg_logical_slot_peek_binary_changes(journal.slot_name, goal, max_messages,
             'proto_version', '1', 'publication_names', 'babelon_usage', 'messages', 'true') m
  ), messages as (
    select substr(p.data, header_length + 1) as content
      from peeked p
     where substr(p.data, 11, 12) = 'babelon.use\000'
  ), entries as (
    select encode(substr(content, 1, 16), 'hex')::uuid as token_id,
           get_byte(content, 16) as outcome,
           timestamptz '2000-01-01 00:00:00+00'
             + ('x' || encode(substr(content, 18), 'hex'))::bit(64)::bigint * interval '1 microsecond' as at
      from messages
     -- Whoever can run SQL can write such a message. What is no entry is passed over: a time is before the year 4283.
     where octet_length(content) = 25 and get_byte(content, 17) = 0
  ), plausible as (
    select * from entries where at <= clock_timestamp() + interval '1 minute'
  ), folded as (
    select e.token_id,
           count(*)  filter (where e.outcome = 1) as uses,
           max(e.at) filter (where e.outcome = 1) as last_used_at,
           count(*)  filter (where e.outcome = 0) as denials,
           max(e.at) filter (where e.outcome = 0) as last_denied_at
      from plausible e
      join babelon_private.api_tokens t on t.id = e.token_id
     group by e.token_id
  ), updated as (
    update babelon_private.api_token_uses c
       set uses           = c.uses + f.uses,
           last_used_at   = greatest(c.last_used_at, f.last_used_at),
           denials        = c.denials + f.denials,
           last_denied_at = greatest(c.last_denied_at, f.last_denied_at)
      from folded f
     where c.id = (select min(x.id) from babelon_private.api_token_uses x where x.token_id = f.token_id)
    returning c.token_id
  ), inserted as (
    insert into babelon_private.api_token_uses (token_id, uses, last_used_at, denials, last_denied_at)
    select f.* from folded f where f.token_id not in (select u.token_id from updated u)
  )
  select (select count(*) from peeked) as found,
         (select max(p.lsn) from peeked p) as last_lsn,
         (select max(e.at) from plausible e) as last_at
    into reach;

  if reach.found >= max_messages then
    goal := reach.last_lsn;  -- where the last one ends; there may be more behind it
  end if;
  journal.as_of := greatest(journal.as_of, reach.last_at);
  update babelon_private.usage_journal set folded_before = goal, as_of = journal.as_of;
  return journal.as_of;
end
$$;

comment on function babelon_private.enable_usage_journal is
  'Switches the usage journal on, and schedules its collection where pg_cron is installed; idempotent. Call it as a statement of its own: it makes a replication slot, which a transaction that has written cannot.';
comment on function babelon_private.disable_usage_journal is
  'Collects what is in the usage journal, switches it off and drops its replication slot; uses under way at that moment may be missed.';
comment on function babelon_private.collect_usage is
  'Folds the usage journal into the counters and returns how far they go in time; NULL without a journal. Exactly once, also when it is cancelled or rolled back. max_bytes and max_messages bound the work.';
