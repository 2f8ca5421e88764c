-- Organizations, and the people in them. An organization is a tenant: one thing, one uuid.

create type babelon.member_role as enum ('viewer', 'member', 'admin', 'owner');
comment on type babelon.member_role is
  'What somebody may do in an organization, in rising order: viewers read, members write, admins manage members and tokens, owners manage owners.';

-- People read names in lists and type them. So a name has something visible, nothing that forges a line or disguises
-- another name, and never an API token that somebody pasted by mistake, however it is spelt.
-- The character classes are ICU's, by Unicode category: [:graph:] excludes control, format and unassigned characters.
create function babelon_private.is_name(name text)
returns boolean
language sql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
  select char_length(name) between 1 and 100
     -- No control or format characters, except the two joiners that some scripts and emoji need. Characters newer than
     -- this server's ICU pass only in the ranges that Unicode reserves for emoji and ideographs.
     and name collate "und-x-icu" !~ '[^[:graph:][:space:]\u200C\u200D\U0001F000-\U0001FAFF\U0001FC00-\U0001FFFD\U00020000-\U0002FFFD\U00030000-\U0003FFFD]'
     and name !~ '[\u0001-\u001F\u007F-\u009F\u2028\u2029]'
     -- Something visible: a letter that is not a filler, a digit, punctuation, or a common symbol. Marks do not count.
     and (regexp_replace(name, '[\u115F\u1160\u3164\uFFA0]', '', 'g') collate "und-x-icu" ~ '[[:alnum:][:punct:]]'
          or name ~ '[$+<=>^`|~\u00A2-\u00BE\u00D7\u00F7\u20A0-\u20CF\u2100-\u27BF\u2900-\u2BFF\u3007\u3200-\u33FF\U0001F000-\U0001FAFF\U0001FC00-\U0003FFFD]')
     and lower(regexp_replace(normalize(name, NFKD), '[^0-9A-Za-z_]', '', 'g')) !~ 'bbl_tok_[0-9a-f]{32}'
$$;

-- The rest of Babelon reads organizations only through two views. By default they show the tables below. A project that
-- has organizations of its own replaces the views, drops these tables, and manages members itself (docs/organizations.md).

create table babelon_private.own_organizations (
  id                 uuid        not null default gen_random_uuid(),
  name               text        not null,
  created_at         timestamptz not null default now(),
  members_changed_at timestamptz not null default now(),
  constraint own_organizations_pkey primary key (id),
  constraint own_organizations_name_check check (babelon_private.is_name(name))
);

create table babelon_private.own_memberships (
  organization_id uuid                not null,
  user_id         uuid                not null,
  role            babelon.member_role not null,
  created_at      timestamptz         not null default now(),
  constraint own_memberships_pkey primary key (organization_id, user_id),
  constraint own_memberships_organization_id_fkey foreign key (organization_id)
    references babelon_private.own_organizations (id) on delete cascade,
  constraint own_memberships_user_id_fkey foreign key (user_id)
    references auth.users (id) on delete cascade
);
create index own_memberships_user_id_idx on babelon_private.own_memberships (user_id);

-- NOTE: no policies, because no role of the API is granted these tables. Only definer functions read and write them.
alter table babelon_private.own_organizations enable row level security;
alter table babelon_private.own_memberships   enable row level security;

create view babelon_private.organizations as
select o.id, o.name from babelon_private.own_organizations o;

create view babelon_private.memberships as
select m.organization_id, m.user_id, m.role from babelon_private.own_memberships m;

comment on table babelon_private.own_organizations is 'Organizations, where Babelon keeps them. People read them through babelon.organizations.';
comment on table babelon_private.own_memberships is 'The members of those organizations, and their roles. People read them through babelon.members.';
comment on column babelon_private.own_organizations.members_changed_at is
  'When its members last changed. Whoever changes them writes it first, so that such changes happen one after another at every isolation level.';
comment on view babelon_private.organizations is 'Every organization, one row each.';
comment on view babelon_private.memberships is 'Who is in which organization, as what: one row a person and organization. A NULL role is no access.';

create function babelon_private.keeps_organizations()
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return to_regclass('babelon_private.own_memberships') is not null;
end
$$;
comment on function babelon_private.keeps_organizations is 'Whether Babelon keeps organizations and members itself, and not the project.';
