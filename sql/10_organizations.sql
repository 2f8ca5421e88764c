-- Organizations, and the people in them. An organization is a tenant: one thing, one uuid.

create type babelon.member_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type babelon.member_role is
  'What somebody may do in an organization, in rising order: viewers read, members write, admins manage members and tokens, owners manage owners.';

-- Names are shown in lists and typed by people, so a name has something to see, nothing that could forge a line or
-- disguise another name, and never an API token pasted by mistake, however it is spelt.
-- The classes are Unicode's categories, as ICU has them: [:graph:] leaves out control, format and unassigned characters.
create function babelon_private.is_name(name text)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select char_length(name) between 1 and 100
     -- No control and no format characters, but the two joiners that some scripts and emoji are written with. And what this
     -- server's ICU does not know yet only where Unicode keeps the room for emoji and for ideographs.
     and name collate "und-x-icu" !~ '[^[:graph:][:space:]\u200C\u200D\U0001F000-\U0001FAFF\U0001FC00-\U0001FFFD\U00020000-\U0002FFFD\U00030000-\U0003FFFD]'
     and name !~ '[\u0001-\u001F\u007F-\u009F\u2028\u2029]'
     -- Something to see: a letter that is no filler, a digit, punctuation, or a common symbol; marks alone do not count.
     and (regexp_replace(name, '[\u115F\u1160\u3164\uFFA0]', '', 'g') collate "und-x-icu" ~ '[[:alnum:][:punct:]]'
          or name ~ '[$+<=>^`|~\u00A2-\u00BE\u00D7\u00F7\u20A0-\u20CF\u2100-\u27BF\u2900-\u2BFF\u3007\u3200-\u33FF\U0001F000-\U0001FAFF\U0001FC00-\U0003FFFD]')
     and lower(regexp_replace(normalize(name, NFKD), '[^0-9A-Za-z_]', '', 'g')) !~ 'bbl_tok_[0-9a-f]{32}'
$$;

create table babelon_private.organizations (
  id                 uuid        not null default gen_random_uuid(),
  name               text        not null,
  created_at         timestamptz not null default now(),
  members_changed_at timestamptz not null default now(),
  constraint organizations_pkey primary key (id),
  constraint organizations_name_check check (babelon_private.is_name(name))
);

create table babelon_private.memberships (
  organization_id uuid                not null,
  user_id         uuid                not null,
  role            babelon.member_role not null,
  created_at      timestamptz         not null default now(),
  constraint memberships_pkey primary key (organization_id, user_id),
  constraint memberships_organization_id_fkey foreign key (organization_id)
    references babelon_private.organizations (id) on delete cascade,
  constraint memberships_user_id_fkey foreign key (user_id)
    references auth.users (id) on delete cascade
);
create index memberships_user_id_idx on babelon_private.memberships (user_id);

alter table babelon_private.organizations enable row level security;
alter table babelon_private.memberships   enable row level security;

comment on table babelon_private.organizations is 'Tenants. People read them through babelon.organizations.';
comment on table babelon_private.memberships is 'Who is in which organization, as what. People read it through babelon.members.';
comment on column babelon_private.organizations.members_changed_at is
  'When its members last changed. Whoever changes them writes it first, so that such changes happen one after another at every isolation level.';
