-- Who is calling: a token, a person, the service role, or nobody.
--
-- The role that PostgREST switched to is the proof. It is read with current_setting('role') and not
-- current_user, because inside a definer function current_user is the definer.
-- The hook identifies a token by one setting, babelon.token_id: 122 random bits that no API shows, so SQL that runs as
-- one token cannot name another. Everything else about the token comes from its row.
--
-- Policies ask these functions in every statement, so they are PL/pgSQL, which keeps its plans for the session, and
-- few: a call with a search_path costs about 2 microseconds, and so does each expression, anew in every transaction.

create type babelon.caller_kind as enum ('token', 'user', 'service');
comment on type babelon.caller_kind is 'What a caller is: a token, a person who is signed in (user), or the service role.';

create function babelon_private.caller_claim(name text)
returns text
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return nullif(current_setting('request.jwt.claims', true), '')::json ->> name;
end
$$;

create function babelon_private.caller_token_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when current_setting('role') = 'babelon_token' then nullif(current_setting('babelon.token_id', true), '')::uuid end;
end
$$;

-- NOTE: not auth.uid(), which accepts a `sub` from any role, and fails on one that is not a UUID.
create function babelon_private.caller_user_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when current_setting('role') = 'authenticated' then
    substring(nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
         from '^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$')::uuid end;
end
$$;

create function babelon_private.caller_kind()
returns babelon.caller_kind
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case
    when babelon_private.caller_token_id() is not null then 'token'
    when current_setting('role') = 'service_role'      then 'service'
    when babelon_private.caller_user_id() is not null  then 'user'
  end::babelon.caller_kind;
end
$$;

create function babelon_private.request_has_pair()
returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  headers constant json := replace(nullif(current_setting('request.headers', true), ''), '\u0000', '\ufffd')::json;
begin
  return headers ->> 'x-client-id' is not null or headers ->> 'x-api-token' is not null;
end
$$;

-- The caller's organizations, with the caller's role in each. Every statement reads them anew, so a token that is revoked
-- during a request loses them before the request ends.
-- Definer, because no caller may read tokens and memberships.
create function babelon_private.caller_roles()
returns table (organization_id uuid, role babelon.member_role)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  -- NOTE: (select …), so that each is asked once and not for every row where PostgreSQL reads the whole of a small table.
  if current_setting('role') = 'babelon_token' then
    return query
    select t.organization_id, t.role
      from babelon_private.api_token_states t
     where t.id = (select babelon_private.caller_token_id()) and t.state = 'active';
    if found or babelon_private.caller_token_id() is not null then
      return;
    end if;
  -- Most requests have no pair: searching the headers' text for the names costs less than parsing it.
  elsif (current_setting('request.headers', true) like any ('{%x-client-id%,%x-api-token%}')
         and babelon_private.request_has_pair()) is not true then
    return query
    select m.organization_id, m.role
      from babelon_private.memberships m
     where m.user_id = (select babelon_private.caller_user_id()) and m.role is not null;
    return;
  end if;

  -- The role babelon_token without a verified pair is nobody. And without the hook a pair is unverified: it must not fall
  -- back to another identity.
  perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'no token pair was verified for this request',
    'Send X-Client-Id and X-Api-Token, to a project whose pre-request hook is Babelon''s or calls it.');
end
$$;

create function babelon.tenant_ids(minimum_role babelon.member_role default 'viewer')
returns setof uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  return query
  select r.organization_id from babelon_private.caller_roles() r where r.role >= minimum_role;
end
$$;

create function babelon.tenant_id()
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
  -- NOTE: no `where` on the role: PostgreSQL would then skip caller_roles(), which refuses unverified pairs.
  return (select case when current_setting('role') = 'babelon_token' then r.organization_id end
            from babelon_private.caller_roles() r limit 1);
end
$$;

comment on function babelon.tenant_id is
  'The organization of the token that is calling; NULL for a person. Good as a column default: tenant_id uuid default babelon.tenant_id(). Errors: BBL_UNAUTHENTICATED (a pair that no hook has verified).';
comment on function babelon.tenant_ids is
  'The organizations in which the caller, a person or a token, has at least this role. For policies: using (tenant_id = any (array(select babelon.tenant_ids(''viewer'')))), which asks once a statement and uses the column''s index. Errors: BBL_UNAUTHENTICATED (a pair that no hook has verified).';

-- The guard of every function that acts on an organization: which one does the caller mean, and may they?
-- An unknown organization and somebody else's get the same answer, so nobody can probe for organizations.
create function babelon_private.require_role(organization_id uuid, minimum_role babelon.member_role)
returns uuid
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kind     constant babelon.caller_kind := babelon_private.caller_kind();
  own      uuid[];
  chosen   uuid := organization_id;
  own_role babelon.member_role;
begin
  if kind is null then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required',
      'Send X-Client-Id and X-Api-Token, or sign in.');
  end if;

  if chosen is null then
    own := array(select babelon.tenant_ids());
    if kind = 'user' and cardinality(own) = 0 then
      perform babelon_private.raise_error('BBL_NOT_FOUND', 'you belong to no organization',
        case when babelon_private.keeps_organizations()
             then 'Create one with create_organization, or ask an admin to add you.'
             else 'Ask the project''s administrator to add you.' end);
    elsif cardinality(own) <> 1 then
      perform babelon_private.raise_error('BBL_ORGANIZATION_REQUIRED', 'several organizations are possible, and organization_id names none',
        'Name one of yours; the view organizations lists them.');
    end if;
    chosen := own[1];
  end if;

  if kind = 'service' then
    if not exists (select from babelon_private.organizations o where o.id = chosen) then
      perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such organization');
    end if;
    return chosen;
  end if;

  select r.role into own_role from babelon_private.caller_roles() r where r.organization_id = chosen;
  if own_role is null then
    perform babelon_private.raise_error('BBL_NOT_FOUND', 'no such organization');
  elsif own_role < minimum_role then
    perform babelon_private.raise_error('BBL_FORBIDDEN', format(case minimum_role when 'owner' then 'this needs the role %s' else 'this needs the role %s or higher' end, minimum_role));
  end if;
  return chosen;
end
$$;

create type babelon.identity as (
  kind                babelon.caller_kind,
  organization_id     uuid,
  organization_name   text,
  role                babelon.member_role,
  client_id           text,
  token_name          text,
  user_id             uuid,
  email               text,
  keeps_organizations boolean
);
comment on type babelon.identity is
  'kind is token, user or service. A token has an organization, role, client_id and token_name; a person has user_id and email, and organization and role when in exactly one organization. keeps_organizations: whether Babelon keeps this project''s organizations and members, so that create_organization, set_member and their kin work.';

create function babelon_private.whoami()
returns babelon.identity
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  me babelon.identity;
begin
  me.kind := babelon_private.caller_kind();
  me.keeps_organizations := babelon_private.keeps_organizations();

  if me.kind = 'token' then
    select t.client_id, t.name into me.client_id, me.token_name
      from babelon_private.api_tokens t
     where t.id = babelon_private.caller_token_id();
  elsif me.kind = 'user' then
    select u.id, u.email into me.user_id, me.email from auth.users u where u.id = babelon_private.caller_user_id();
  end if;
  if me.kind is null or (me.kind = 'user' and me.user_id is null) then
    perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'authentication is required',
      'Send X-Client-Id and X-Api-Token, or sign in.');
  end if;

  if (select count(*) from babelon.tenant_ids()) = 1 then
    select o.id, o.name, r.role into me.organization_id, me.organization_name, me.role
      from babelon_private.caller_roles() r
      join babelon_private.organizations o on o.id = r.organization_id;
  end if;
  return me;
end
$$;
