-- Counting uses: every request, exactly, and without slowing any.
--
-- A use never writes the token's own row: every request with a hot token would queue behind that row, and its
-- revocation behind all of them. record_use() takes one of two ways instead.
--
--   Journal   Each use, of reads too, is a message in the write-ahead log: no lock, no transaction ID, no
--             commit to flush, and it survives a rollback. A logical replication slot keeps the messages until
--             collect_usage() folds them into the counters. A migration cannot make a slot: an operator calls
--             enable_usage_journal() once.
--   Counters  Without a journal, a read-write request adds to a counter row of its token that nobody else
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

-- How far the journal is folded: one row while it is on, none while it is off.
create table babelon_private.usage_journal (
  id             boolean     not null default true,
  slot_name      name        not null,
  folded_before  pg_lsn      not null,
  as_of          timestamptz not null,
  complete_since timestamptz not null,
  constraint usage_journal_pkey primary key (id),
  constraint usage_journal_one_row_check check (id)
);

-- NOTE: no policies, because no role of the API is granted these tables; definer functions alone read and write them.
alter table babelon_private.api_token_uses enable row level security;
alter table babelon_private.usage_journal  enable row level security;

comment on table babelon_private.api_token_uses is
  'Usage counters; a token''s are the sums and maxima over its rows. Denials: right secret, but revoked; known with the journal only.';
comment on table babelon_private.usage_journal is
  'The journal''s state, while it is on. Every message that starts before folded_before is in the counters; as_of is how far that is in time. complete_since is when its slot was made: uses before that may be missing.';

-- Whether the journal is on. Switching the journal replaces this function. It is immutable so that each session
-- evaluates it once, when it plans its caller: reading a table instead costs every request some microseconds.
create function babelon_private.usage_is_journalled()
returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
return false;

-- Records one use, or, in the journal, one denial. Returns whether it was recorded.
--
-- A journal entry is 25 bytes: the token's id, 1 for a use or 0 for a denial, and the time in microseconds since
-- 2000. read_usage_journal() is its reader.
create function babelon_private.record_use(used_token_id uuid, accepted boolean)
returns boolean
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if babelon_private.usage_is_journalled() then
    return not pg_is_in_recovery()
       and pg_logical_emit_message(false, 'babelon.use', uuid_send(used_token_id)
             || case when accepted then '\x01'::bytea else '\x00' end || timestamptz_send(clock_timestamp())) is not null;
  elsif not accepted or current_setting('transaction_read_only') = 'on' then
    return false;
  end if;

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
  return true;
end
$$;

-- Reads the journal between two LSNs, or until max_messages have been found. Returns a row for each
-- token and outcome, and one without a token for every message that is no entry of ours: anybody who can run SQL can
-- write one. messages and last_lsn count both kinds.
create function babelon_private.read_usage_journal(slot_name name, after pg_lsn, upto pg_lsn, max_messages int)
returns table (token_id uuid, accepted boolean, messages bigint, last_at timestamptz, last_lsn pg_lsn)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
rows 100
as $$
#variable_conflict use_column
declare
  -- pgoutput writes 'M', flags, an LSN, the prefix with its NUL, and a length before the content.
  header_length constant int := 1 + 1 + 8 + length('babelon.use') + 1 + 4;
  -- Times are compared in hexadecimal, and what is equal in many entries is decoded once: ten times as fast.
  latest constant text collate "C" := encode(timestamptz_send(clock_timestamp() + interval '1 minute'), 'hex');
begin
  return query
  with peeked as (
    select m.lsn,
           case when substr(m.data, 11, 12) = 'babelon.use\000'
                 and octet_length(m.data) = header_length + 25
                 and encode(substr(m.data, header_length + 18), 'hex') collate "C" <= latest
                then substr(m.data, header_length + 1) end as entry
      from pg_logical_slot_peek_binary_changes(read_usage_journal.slot_name, upto, max_messages,
             'proto_version', '1', 'publication_names', 'babelon_usage', 'messages', 'true') m
     where m.lsn > after  -- a message's LSN is its end
  ), grouped as (
    select substr(p.entry, 1, 17) as token_and_outcome,
           count(*) as messages,
           max(encode(substr(p.entry, 18), 'hex') collate "C") as last_at,
           max(p.lsn) as last_lsn
      from peeked p
     group by 1
  )
  select encode(substr(g.token_and_outcome, 1, 16), 'hex')::uuid,
         case get_byte(g.token_and_outcome, 16) when 1 then true when 0 then false end,
         g.messages,
         timestamptz '2000-01-01 00:00:00+00' + ('x' || g.last_at)::bit(64)::bigint * interval '1 microsecond',
         g.last_lsn
    from grouped g;
end
$$;

-- The output plugin wants a publication. One without tables keeps everybody's rows out of the decoding.
create publication babelon_usage;

-- A slot belongs to one database, but its name must be unique on the server. Every function that makes, drops or reads
-- the slot holds the database's advisory lock 'babelon.usage_journal'. A dump holds the journal's state but no slot, so a
-- restored database names a slot that belongs to another one.
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
  insert into babelon_private.usage_journal (slot_name, folded_before, as_of, complete_since)
  values (slot.slot_name, slot.start, clock_timestamp(), clock_timestamp())
  on conflict (id) do update
    set slot_name = excluded.slot_name, folded_before = excluded.folded_before,
        as_of = excluded.as_of, complete_since = excluded.complete_since;
  create or replace function babelon_private.usage_is_journalled()
  returns boolean language sql immutable set search_path = pg_catalog, pg_temp return true;

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.schedule($1, $2, $3)'
      using 'babelon-collect-usage', '* * * * *', 'select babelon_private.collect_usage()';
    -- pg_cron keeps a row about every run for ever.
    execute 'select cron.schedule($1, $2, $3)' using 'babelon-forget-runs', '17 * * * *', $sql$
      delete from cron.job_run_details d using cron.job j
       where j.jobid = d.jobid and j.jobname like 'babelon-%' and d.end_time < now() - interval '1 day' $sql$;
  else
    raise warning 'pg_cron is not installed, so only lists collect the usage journal, and only within their budget'
      using hint = 'Let a scheduler call babelon_private.collect_usage() every minute: the server keeps the write-ahead log until it is collected.';
  end if;
  if current_setting('max_slot_wal_keep_size') = '-1' then
    raise warning 'max_slot_wal_keep_size is not set: a journal that nobody collects can fill the disk';
  end if;
  raise notice 'the usage journal keeps a logical replication slot, with which a major upgrade of PostgreSQL is refused'
    using hint = 'Call babelon_private.disable_usage_journal() before an upgrade, and enable_usage_journal() after it.';
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
  returns boolean language sql immutable set search_path = pg_catalog, pg_temp return false;
  delete from babelon_private.usage_journal returning slot_name into slot;
  perform pg_drop_replication_slot(s.slot_name)
     from pg_replication_slots s where s.slot_name = slot and s.database = current_database();

  if exists (select from pg_extension where extname = 'pg_cron') then
    execute 'select cron.unschedule(jobname) from cron.job where jobname = any ($1)'
      using array['babelon-collect-usage', 'babelon-forget-runs'];
  end if;
end
$$;

-- Starts the journal again after it lost its slot. Returns the time it starts from.
create function babelon_private.restart_usage_journal()
returns timestamptz
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  made record;
  now  timestamptz;
begin
  select * into made from babelon_private.create_usage_slot();
  now := clock_timestamp();  -- after, because the slot waits for transactions under way, and their uses are missing
  update babelon_private.usage_journal
     set slot_name = made.slot_name, folded_before = made.start, as_of = now, complete_since = now;
  raise warning 'the usage journal lost its replication slot, and starts anew: uses before % may be missing', now
    using hint = 'max_slot_wal_keep_size bounds the log that a slot keeps; collect more often, or raise it.';
  return now;
end
$$;

-- Flushes the log, because a slot yields flushed log only. Returns how far it is flushed. Before PostgreSQL 17 SQL cannot
-- ask for a flush; the server flushes by itself, after some seconds at the latest.
create function babelon_private.flush_usage_journal()
returns pg_lsn
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  if pg_current_wal_flush_lsn() < pg_current_wal_insert_lsn() and current_setting('server_version_num')::int >= 170000 then
    execute $sql$ select pg_logical_emit_message(false, 'babelon.flush', '', true) $sql$;
  end if;
  return pg_current_wal_flush_lsn();
end
$$;

-- Adds what is in the journal to the counters. Returns what was found: how many messages, of how many tokens, the last
-- message's LSN, and the last entry's time.
create function babelon_private.fold_usage(
  slot_name name, after pg_lsn, upto pg_lsn, max_messages int,
  out messages bigint, out tokens bigint, out last_lsn pg_lsn, out last_at timestamptz)
language sql volatile
set search_path = pg_catalog, pg_temp
as $$
  with journalled as materialized (
    select * from babelon_private.read_usage_journal(slot_name, after, upto, max_messages)
  ), folded as (
    select j.token_id,
           coalesce(sum(j.messages) filter (where j.accepted), 0)::bigint     as uses,
           max(j.last_at)           filter (where j.accepted)                 as last_used_at,
           coalesce(sum(j.messages) filter (where not j.accepted), 0)::bigint as denials,
           max(j.last_at)           filter (where not j.accepted)             as last_denied_at
      from journalled j
      join babelon_private.api_tokens t on t.id = j.token_id
     group by j.token_id
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
    select f.token_id, f.uses, f.last_used_at, f.denials, f.last_denied_at
      from folded f
     where f.token_id not in (select u.token_id from updated u)
  )
  select coalesce(sum(j.messages), 0)::bigint, (select count(*) from folded), max(j.last_lsn),
         max(j.last_at) filter (where j.accepted is not null)
    from journalled j
$$;

-- Folds the journal into the counters. Returns how far they go in time; NULL without a journal.
--
-- Exactly once   Reading leaves the slot where it is, and folded_before commits with the counters. Only the next
--                collection lets the slot pass what this one committed.
-- Step by step   The slot passes log in which no use was found at once, for good and without writing anything: so even a
--                collection that is cancelled gets somewhere, and one after which nothing was written ends before it
--                decodes. Under a statement_timeout it stops early enough to commit what it has found.
-- Bounded        Decoding begins at restart_lsn: up to 15 seconds back on a busy server, or before an old transaction
--                that has written. With max_bytes it reads at most so much log, and leaves the rest to a scheduler's
--                collection without bounds, which also replaces a lost slot. When none has come for five minutes, it
--                goes eight times as far, from wherever decoding begins.
-- Definer, so that a scheduler's role needs nothing but EXECUTE.
create function babelon_private.collect_usage(max_bytes bigint default null, max_messages int default null)
returns timestamptz
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  mb         constant bigint      := 1 << 20;
  timeout    constant interval    := nullif(current_setting('statement_timeout'), '0')::interval;  -- NULL: none
  step       bigint               := greatest(4 * mb, max_bytes, least(256 * mb, (8 * mb * extract(epoch from timeout))::bigint));
  journal    babelon_private.usage_journal;
  slot       record;
  found_now  record;
  tokens     bigint := 0;
  last_at    timestamptz;
  asked_at   timestamptz;
  reached_at timestamptz;
  written    pg_lsn;
  reached    pg_lsn;
  goal       pg_lsn;
  upto       pg_lsn;
  neglected  boolean;
begin
  -- One collector at a time. Another one returns what there is.
  if not pg_try_advisory_xact_lock(hashtextextended('babelon.usage_journal', 0)) then
    return (select j.as_of from babelon_private.usage_journal j);
  end if;
  select * into journal from babelon_private.usage_journal;
  select s.restart_lsn, s.confirmed_flush_lsn, s.active, s.wal_status into slot
    from pg_replication_slots s where s.slot_name = journal.slot_name and s.database = current_database();
  if slot.wal_status is null or slot.wal_status = 'lost' then
    return case when journal.id and max_bytes is null then babelon_private.restart_usage_journal() else journal.as_of end;
  end if;

  asked_at := clock_timestamp();
  written  := pg_current_wal_insert_lsn();
  reached  := greatest(journal.folded_before, slot.confirmed_flush_lsn);
  goal     := greatest(reached, babelon_private.flush_usage_journal());
  if goal > reached then
    neglected := journal.as_of < asked_at - interval '5 minutes';
    if slot.active or (reached - slot.restart_lsn > max_bytes and not neglected) then
      return journal.as_of;
    elsif reached > slot.confirmed_flush_lsn then
      perform pg_replication_slot_advance(journal.slot_name, reached);
    end if;
    select least(goal, case when neglected then reached + 8 * max_bytes::numeric else s.restart_lsn + max_bytes::numeric end) into goal
      from pg_replication_slots s where s.slot_name = journal.slot_name;
  end if;

  while reached < goal loop
    upto := least(goal, reached + step::numeric);
    select * into found_now from babelon_private.fold_usage(journal.slot_name, reached, upto, max_messages);
    tokens  := tokens + found_now.tokens;
    last_at := greatest(last_at, found_now.last_at);
    if found_now.messages >= max_messages then
      reached := found_now.last_lsn;  -- where the last one ends; there may be more behind it
    else
      reached := greatest(upto, found_now.last_lsn);
    end if;
    if tokens = 0 then
      perform pg_replication_slot_advance(journal.slot_name, reached);
    end if;
    exit when (max_messages > 0 and tokens > 0)
           or clock_timestamp() > statement_timestamp() + timeout / case when tokens > 0 then 4 else 2 end;
    step := 2 * step;  -- each step decodes again from where decoding begins
  end loop;

  reached_at := case when reached >= written then asked_at else greatest(journal.as_of, last_at) end;
  if tokens > 0 or reached_at > journal.as_of + interval '1 minute' then
    update babelon_private.usage_journal set folded_before = reached, as_of = reached_at;
  end if;
  return reached_at;
end
$$;

comment on function babelon_private.enable_usage_journal is
  'Switches the usage journal on, and schedules its collection where pg_cron is installed; idempotent. Call it as a statement of its own: it makes a replication slot, which a transaction that has written cannot. A major upgrade of PostgreSQL is refused while the slot exists: call disable_usage_journal() before it, and this after it.';
comment on function babelon_private.disable_usage_journal is
  'Collects what is in the usage journal, switches it off and drops its replication slot; uses under way at that moment may be missed.';
comment on function babelon_private.collect_usage is
  'Folds the usage journal into the counters and returns how far they go in time; NULL without a journal. Exactly once, also when it is cancelled or rolled back. Under a statement_timeout it ends in time and goes on at the next call. max_bytes and max_messages bound the work.';
