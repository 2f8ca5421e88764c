-- Organizations and members as people see and change them.

-- Each view runs as its caller, over a definer that returns only the caller's rows. So a project's row-level security on its
-- own tables of organizations does not interfere, and auth.users stays out of reach.

create function babelon_private.caller_organizations()
returns table (id uuid, name text, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select o.id, o.name, r.role
    from babelon_private.caller_roles() r
    join babelon_private.organizations o on o.id = r.organization_id;
  if babelon_private.caller_kind() = 'service' then
    return query
    select o.id, o.name, null::babelon.member_role from babelon_private.organizations o;
  end if;
end
$$;

create function babelon_private.caller_members()
returns table (organization_id uuid, user_id uuid, email text, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  own constant uuid[] := array(select babelon.tenant_ids());
begin
  return query
  select m.organization_id, m.user_id, u.email::text, m.role
    from babelon_private.memberships m
    left join auth.users u on u.id = m.user_id
   where m.role is not null
     and (m.organization_id = any (own) or babelon_private.caller_kind() = 'service');
end
$$;

create view babelon.organizations with (security_invoker = true) as
select o.id, o.name, o.role from babelon_private.caller_organizations() o;

create view babelon.members with (security_invoker = true) as
select m.organization_id, m.user_id, m.email, m.role from babelon_private.caller_members() m;

-- NOTE: no role is granted to write them. But PostgreSQL would refuse a write to such a view before it asks for the grant, and
-- PostgREST would answer 500; with a trigger it asks.
create function babelon_private.forbid_writing()
returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise insufficient_privilege using message = 'this view is read-only';
end
$$;

create trigger organizations_are_read_only instead of insert or update or delete on babelon.organizations
  for each row execute function babelon_private.forbid_writing();
create trigger members_are_read_only instead of insert or update or delete on babelon.members
  for each row execute function babelon_private.forbid_writing();

comment on view babelon.organizations is 'The organizations the caller, a person or a token, belongs to; role is the caller''s own there.';
comment on view babelon.members is 'The members of the caller''s organizations.';

-- Guards.

create function babelon_private.require_name(name text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if babelon_private.is_name(name) is not true then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'name must be 1 to 100 visible characters');
  end if;
end
$$;

create function babelon_private.require_own_organizations()
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  if not babelon_private.keeps_organizations() then
    perform babelon_private.raise_error('BBL_ORGANIZATIONS_ELSEWHERE', 'this project keeps its organizations and members itself',
      'Change them where the project does.');
  end if;
end
$$;

-- A JWT is valid for up to an hour after its session has ended, and the tokens it makes are permanent. So every function that
-- makes or changes something asks Auth whether the session still exists, and whether it has shown the person's second factor.
-- Tokens and the service role have no session, and pass.
create function babelon_private.require_current_session()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  person     constant uuid := babelon_private.caller_user_id();
  session_id constant text := babelon_private.caller_claim('session_id');
  current    boolean;
begin
  if person is null then
    return;
  end if;

  -- The lock keeps the account until the change commits. A deletion takes the same lock first, so there is no deadlock.
  perform from auth.users u
    where u.id = person
      and u.deleted_at is null
      and (u.banned_until is null or u.banned_until <= now())
      for key share;
  current := found;
  -- NOTE: Auth puts a session into every JWT. One without was signed by somebody else who holds the secret, and is trusted.
  if session_id is not null and to_regclass('auth.sessions') is not null then
    current := current and exists (
      select from auth.sessions s
       where s.user_id = person
         and s.id::text = session_id
         and (s.not_after is null or s.not_after > now()));
  end if;
  if not current then
    perform babelon_private.raise_error('BBL_SESSION_ENDED', 'this session has ended', 'Sign in again.');
  end if;

  if babelon_private.caller_claim('aal') is distinct from 'aal2' and to_regclass('auth.mfa_factors') is not null then
    if exists (select from auth.mfa_factors f where f.user_id = person and f.status::text = 'verified') then
      perform babelon_private.raise_error('BBL_MFA_REQUIRED', 'this needs your second factor',
        'Sign in with your second factor too, so that the session is aal2.');
    end if;
  end if;
end
$$;

create function babelon_private.require_person()
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  case babelon_private.caller_kind()
    when 'user' then
      perform babelon_private.require_current_session();
    when 'token', 'service' then
      perform babelon_private.raise_error('BBL_FORBIDDEN', 'only a person can do this', 'Sign in.');
    else
      perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required', 'Sign in.');
  end case;
  return babelon_private.caller_user_id();
end
$$;

-- The guard of every change in an organization. It asks for the session first: a person whose account is gone hears that,
-- and not that the organization is gone.
create function babelon_private.require_manager(organization_id uuid, minimum_role babelon.member_role default 'admin')
returns uuid
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
  perform babelon_private.require_current_session();
  return babelon_private.require_role(organization_id, minimum_role);
end
$$;

-- Organizations.

-- Whether people may create organizations. The body is the answer and the operator's: no upgrade replaces it.
create function babelon_private.people_create_organizations()
returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
return true;

comment on function babelon_private.people_create_organizations is
  'Whether every account may create organizations. To forbid it, replace the function by one that returns false.';

create function babelon_private.create_organization(name text)
returns babelon.organizations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  person uuid;
  new_id uuid;
  made   babelon.organizations;
begin
  perform babelon_private.require_own_organizations();
  person := babelon_private.require_person();
  if not babelon_private.people_create_organizations() then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only the operator of this project creates organizations');
  end if;
  perform babelon_private.require_name(name);

  insert into babelon_private.own_organizations (name) values (create_organization.name) returning id into new_id;
  insert into babelon_private.own_memberships (organization_id, user_id, role) values (new_id, person, 'owner');

  select * into made from babelon.organizations o where o.id = new_id;
  return made;
end
$$;

create function babelon_private.rename_organization(organization_id uuid, name text)
returns babelon.organizations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization uuid;
  renamed      babelon.organizations;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id);
  if babelon_private.caller_kind() = 'token' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'a token cannot rename its organization', 'Sign in.');
  end if;
  perform babelon_private.require_name(name);

  update babelon_private.own_organizations o set name = rename_organization.name where o.id = organization;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization has just been deleted');
  end if;

  select * into renamed from babelon.organizations o where o.id = organization;
  return renamed;
end
$$;

create function babelon_private.delete_organization(organization_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  organization uuid;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id, 'owner');

  -- As in authorize_member_change: the caller may have been demoted while waiting.
  update babelon_private.own_organizations o set members_changed_at = clock_timestamp() where o.id = organization;
  perform babelon_private.require_role(organization, 'owner');

  delete from babelon_private.own_organizations o where o.id = organization;
  set constraints all immediate;  -- what the project defers to the commit, too
exception when foreign_key_violation or restrict_violation then  -- the second from PostgreSQL 18 on
  perform babelon_private.raise_error('BBL_CONFLICT', 'the project still keeps data of this organization',
    'Delete that first; or let the project''s operator do it.');
end
$$;

-- Members.

-- Finds the person behind an email or a user ID, for a change in this organization; NULL if there is none. Members come
-- first, even if their account has been banned or deleted since; then people who are neither. An email matches only a person
-- who has confirmed it, so that nobody else gets the role. The look-up uses the index that Auth itself uses.
create function babelon_private.find_person(email text, user_id uuid, organization_id uuid)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  people uuid[];
begin
  if num_nonnulls(email, user_id) <> 1 then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'either email or user_id is required');
  end if;

  people := array(
    select m.user_id
      from babelon_private.memberships m
      join auth.users u on u.id = m.user_id
     where m.organization_id = find_person.organization_id
       and (m.user_id = find_person.user_id
            or lower(u.email) = lower(find_person.email) and u.email_confirmed_at is not null));
  if cardinality(people) = 0 and user_id is not null then
    people := array(
      select u.id from auth.users u
       where u.id = find_person.user_id
         and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now()));
  elsif cardinality(people) = 0 then
    people := array(
      select u.id from auth.users u
       where u.instance_id = '00000000-0000-0000-0000-000000000000'
         and lower(u.email) = lower(find_person.email)
         and u.email_confirmed_at is not null
         and u.deleted_at is null and (u.banned_until is null or u.banned_until <= now()));
  end if;
  if cardinality(people) > 1 then
    perform babelon_private.raise_error('BBL_CONFLICT', 'several people have this email', 'Name one by user_id.');
  end if;
  return people[1];
end
$$;

-- Whether the organization has another owner, whose account is not deleted.
create function babelon_private.has_owner_besides(person uuid, organization_id uuid)
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return exists (
    select from babelon_private.memberships m
      join auth.users u on u.id = m.user_id
     where m.organization_id = has_owner_besides.organization_id
       and m.role = 'owner'
       and m.user_id is distinct from person
       and u.deleted_at is null);
end
$$;

-- Authorizes set_member and remove_member, whose new_role is NULL. Returns the organization and the person, and locks the
-- organization's members, so that two owners who demote each other cannot leave it without one. A caller who may change
-- nothing gets neither the lock nor an answer about anybody.
create function babelon_private.authorize_member_change(
  email text, user_id uuid, organization_id uuid, new_role babelon.member_role,
  out organization uuid, out person uuid)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  caller   constant uuid := babelon_private.caller_user_id();
  -- Everybody can leave. Their own email then means themselves, even if others have it too.
  leaving  constant boolean := new_role is null and num_nonnulls(email, user_id) = 1 and (user_id = caller or exists (
    select from auth.users u where u.id = caller and lower(u.email) = lower(authorize_member_change.email)));
  old_role babelon.member_role;
begin
  perform babelon_private.require_own_organizations();
  organization := babelon_private.require_manager(organization_id, case when leaving then 'viewer' else 'admin' end::babelon.member_role);
  if babelon_private.caller_kind() = 'token' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'a token cannot change members',
      'A member added by a leaked token would outlive its revocation. Sign in.');
  end if;
  person := case when leaving then caller else babelon_private.find_person(email, user_id, organization) end;
  if person is null then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no account has this user ID or this confirmed email',
      'They sign up first, and confirm the address.');
  end if;

  -- An update and not only a row lock, which would not stop a transaction whose snapshot is older than the other's change.
  update babelon_private.own_organizations o set members_changed_at = clock_timestamp() where o.id = organization;
  -- Asked again under the lock: the caller may have been demoted while waiting.
  perform babelon_private.require_role(organization, case when leaving then 'viewer' else 'admin' end::babelon.member_role);

  select m.role into old_role
    from babelon_private.memberships m
   where m.organization_id = organization and m.user_id = person;

  if (old_role = 'owner' or new_role = 'owner')
     and caller is not null
     and not exists (select from babelon.tenant_ids('owner') own where own = organization)
     -- An admin may take an organization whose owners' accounts are all deleted.
     and babelon_private.has_owner_besides(null, organization) then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only an owner can add, change or remove an owner');
  end if;
  if old_role = 'owner' and new_role is distinct from 'owner'
     and not babelon_private.has_owner_besides(person, organization) then
    perform babelon_private.raise_error('BBL_CONFLICT', 'an organization keeps at least one owner',
      'Make somebody else an owner first.');
  end if;
end
$$;

create function babelon_private.set_member(email text, role babelon.member_role, organization_id uuid, user_id uuid)
returns babelon.members
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
  made   babelon.members;
begin
  if role is null then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'role is required');
  end if;
  target := babelon_private.authorize_member_change(email, user_id, organization_id, role);

  begin
    insert into babelon_private.own_memberships (organization_id, user_id, role)
    values (target.organization, target.person, set_member.role)
    on conflict on constraint own_memberships_pkey do update set role = excluded.role;
  exception when foreign_key_violation then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'the organization or the person has just been deleted');
  end;

  select * into made
    from babelon.members m
   where m.organization_id = target.organization and m.user_id = target.person;
  return made;
end
$$;

create function babelon_private.remove_member(email text, organization_id uuid, user_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
begin
  target := babelon_private.authorize_member_change(email, user_id, organization_id, null);

  delete from babelon_private.own_memberships m
   where m.organization_id = target.organization and m.user_id = target.person;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'this person is no member');
  end if;
end
$$;
