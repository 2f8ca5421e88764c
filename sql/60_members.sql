-- Organizations and members as people see and change them.

-- auth.users is not readable through the API; an email is shown to those who share an organization with its owner.
create function babelon_private.member_email(member_id uuid)
returns text
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
  select u.email
    from auth.users u
   where u.id = member_id
     and (babelon_private.caller_kind() = 'service'
          or exists (select from babelon_private.memberships m
                      where m.user_id = member_id
                        and m.organization_id in (select babelon.tenant_ids())))
$$;

create view babelon.organizations with (security_invoker = true) as
select o.id,
       o.name,
       (select r.role from babelon_private.caller_roles() r where r.organization_id = o.id) as role,
       o.created_at
  from babelon_private.organizations o;

create view babelon.members with (security_invoker = true) as
select m.organization_id,
       m.user_id,
       babelon_private.member_email(m.user_id) as email,
       m.role,
       m.created_at
  from babelon_private.memberships m;

create policy organizations_select_member on babelon_private.organizations
  for select to authenticated, babelon_token
  using (id in (select babelon.tenant_ids()));

create policy memberships_select_member on babelon_private.memberships
  for select to authenticated, babelon_token
  using (organization_id in (select babelon.tenant_ids()));

comment on view babelon.organizations is 'The organizations the caller, a person or a token, belongs to; role is the caller''s own there.';
comment on view babelon.members is 'The members of the caller''s organizations.';

create function babelon_private.create_organization(name text)
returns babelon.organizations
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  made babelon.organizations;
begin
  if babelon_private.caller_kind() is null
     or not exists (select from auth.users u where u.id = auth.uid()) and babelon_private.caller_kind() = 'user' then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required', 'Sign in.');
  elsif babelon_private.caller_kind() <> 'user' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only a person can create an organization', 'Sign in.');
  elsif babelon_private.is_name(name) is not true then
    perform babelon_private.raise_error('BBL_INVALID_INPUT', 'name must be 1 to 100 visible characters');
  end if;

  insert into babelon_private.organizations as o (name)
  values (create_organization.name)
  returning o.id, o.name, 'owner'::babelon.member_role, o.created_at into made;

  insert into babelon_private.memberships (organization_id, user_id, role)
  values (made.id, auth.uid(), 'owner');
  return made;
end
$$;

-- What set_member and remove_member have in common: who is meant, and may the caller touch them?
-- Returns the organization and the person, with the organization locked: changes to its members queue
-- here, so that two owners who demote each other cannot leave it without one.
create function babelon_private.lock_member(
  email text, organization_id uuid, new_role babelon.member_role,
  out organization uuid, out person uuid)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  people   uuid[];
  old_role babelon.member_role;
  leaving  boolean;
begin
  organization := babelon_private.require_role(organization_id, 'viewer');
  perform from babelon_private.organizations o where o.id = organization for no key update;

  if babelon_private.caller_kind() = 'token' then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'a token cannot change members',
      'A member added by a leaked token would outlive its revocation. Sign in.');
  end if;

  people := array(
    select u.id from auth.users u
     where lower(u.email) = lower(lock_member.email)
       and u.email_confirmed_at is not null);
  person  := people[1];
  leaving := new_role is null and person = auth.uid() and cardinality(people) = 1;

  -- Only now that nobody else can change it: the caller may have been demoted while waiting for the lock.
  if leaving is not true then
    perform babelon_private.require_role(organization, 'admin');
  end if;

  if cardinality(people) = 0 then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'nobody with this email has signed up and confirmed it');
  elsif cardinality(people) > 1 then
    perform babelon_private.raise_error('BBL_CONFLICT', 'several people have this email');
  end if;

  select m.role into old_role
    from babelon_private.memberships m
   where m.organization_id = organization and m.user_id = person;

  if (old_role = 'owner' or new_role = 'owner')
     and babelon_private.caller_kind() = 'user'
     and not babelon.has_role(organization, 'owner') then
    perform babelon_private.raise_error('BBL_FORBIDDEN', 'only an owner can add, change or remove an owner');
  end if;
  if old_role = 'owner' and new_role is distinct from 'owner'
     and not exists (select from babelon_private.memberships m
                      where m.organization_id = organization and m.role = 'owner' and m.user_id <> person) then
    perform babelon_private.raise_error('BBL_CONFLICT', 'an organization keeps at least one owner',
      'Make somebody else an owner first.');
  end if;
end
$$;

create function babelon_private.set_member(email text, role babelon.member_role, organization_id uuid)
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
  target := babelon_private.lock_member(email, organization_id, role);

  insert into babelon_private.memberships (organization_id, user_id, role)
  values (target.organization, target.person, set_member.role)
  on conflict on constraint memberships_pkey do update set role = excluded.role;

  select * into made
    from babelon.members m
   where m.organization_id = target.organization and m.user_id = target.person;
  return made;
end
$$;

create function babelon_private.remove_member(email text, organization_id uuid)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  target record;
begin
  target := babelon_private.lock_member(email, organization_id, null);

  delete from babelon_private.memberships m
   where m.organization_id = target.organization and m.user_id = target.person;
  if not found then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'nobody with this email is a member');
  end if;
end
$$;
