-- Who can do what, cell by cell: every actor, on every table, view and function, with every verb.
--
-- Run it in your own project with `supabase test db`; or as the role postgres with pg_prove, which takes PGHOST and its
-- like, where pgTAP is (`create extension pgtap with schema extensions`). It makes its own people, organizations, tokens
-- and table, and rolls all of it back. The people are rows of auth.users, so your triggers there run: where one wants
-- more of a person than an e-mail address, add it below. Where organizations are your own (docs/organizations.md), change
-- the bodies of the two functions below, which make one and add somebody to it.
--
-- How to read the table below:
--
--   anon  nobody has signed in                     vtok  a viewer token of organization A
--   outs  a person; owner of organization B        mtok  a member token of A
--   view  viewer of organization A                 atok  an admin token of A
--   memb  member of A                              gone  a revoked token of A
--   admn  admin of A                               btok  an admin token of B
--   ownr  owner of A, with a second factor         serv  the service role
--   ende  the same owner, after the session has ended
--   aal1  the same owner, without showing the second factor
--
--   A, 4A+B   exactly these rows: one of A's; four of A's and one of B's      0   no row
--   2         so many rows written        null  it works, and returns nothing  else: what a function returns
--   -         42501: the role was not granted it                              rls 42501: a policy refuses the row
--   ro        25006: the transaction is read-only       gone   BBL_TOKEN_REVOKED          auth  BBL_UNAUTHENTICATED
--   role      BBL_FORBIDDEN: too low, or no person      404    BBL_NOT_FOUND              which BBL_ORGANIZATION_REQUIRED
--   over      BBL_SESSION_ENDED    2fa  BBL_MFA_REQUIRED    last  BBL_CONFLICT: the last owner stays
--   23502     the row has no tenant
--
-- What comes first is seen: read-only and revoked before any grant, and the guard of a function before its write.
--
-- `service` sees the rows of your own organizations as well; they are not counted.
begin;
set local search_path = public, extensions;

-- Makes an organization with its owner, and returns its id.
create function pg_temp.new_organization(name text, owner uuid) returns uuid language sql as $new$
  with made as (insert into babelon_private.own_organizations (name) values (name) returning id)
  insert into babelon_private.own_memberships (organization_id, user_id, role) select id, owner, 'owner' from made
  returning organization_id
$new$;

-- Adds somebody to an organization: as viewer, member or admin.
create function pg_temp.add_member(organization uuid, person uuid, role text) returns void language sql as $add$
  insert into babelon_private.own_memberships (organization_id, user_id, role) values (organization, person, role::babelon.member_role)
$add$;

-- To become a token: on Supabase's PostgreSQL 15, postgres is no member of authenticator, and grants itself the role. In a
-- project upgraded from 15 it may not, and is a member.
do $$
begin
  grant babelon_token to current_user;
exception when insufficient_privilege then null;
end
$$;

create temp table expected (nr int generated always as identity, line text);
insert into expected (line) select regexp_split_to_table($matrix$

-- The API: what everybody may call.                         anon | outs view memb admn ownr ende aal1 | vtok mtok atok gone btok | serv
call (babelon.whoami()).kind                               | auth | user user user user user user user | token token token gone token | service
call (babelon.whoami()).organization_id                    | auth | B    A    A    A    A    A    A    | A    A    A    gone B    | null
call babelon.create_organization('Babelon test A')         | auth | A    A    A    A    A    over 2fa  | role role role gone role | role
call babelon.rename_organization('Babelon test A', {A})     | auth | 404  role role A    A    over 2fa  | role role role gone 404  | A
call babelon.delete_organization({A})                      | auth | 404  role role role null over 2fa  | role role role gone 404  | null
call babelon.set_member({outsider}, 'viewer', {A})         | auth | 404  role role A    A    over 2fa  | role role role gone 404  | A
call babelon.set_member({viewer}, 'owner', {A})            | auth | 404  role role role A    over 2fa  | role role role gone 404  | A
call babelon.set_member({owner}, 'admin', {A})             | auth | 404  role role role last over 2fa  | role role role gone 404  | last
call babelon.set_member({viewer}, 'member')                | auth | B    role role A    A    over 2fa  | role role role gone role | which
call babelon.set_member(null, 'member', {A}, {user})       | auth | 404  role role A    A    over 2fa  | role role role gone 404  | A
call babelon.remove_member({viewer}, {A})                  | auth | 404  null role null null over 2fa  | role role role gone 404  | null
call babelon.remove_member(null, {A}, {user})              | auth | 404  null role null null over 2fa  | role role role gone 404  | null
call babelon.remove_member({owner}, {A})                   | auth | 404  role role role last over 2fa  | role role role gone 404  | last
call babelon.generate_api_token('Babelon test', {A})       | auth | 404  role role A    A    over 2fa  | role role A    gone 404  | A
call babelon.generate_api_token('Babelon test')            | auth | B    role role A    A    over 2fa  | role role A    gone B    | which
call babelon.list_api_tokens({A})                          | auth | 404  5A   5A   5A   5A   5A   5A   | 5A   5A   5A   gone 404  | 5A
call babelon.list_api_tokens()                             | auth | B    5A   5A   5A   5A   5A   5A   | 5A   5A   5A   gone B    | which
call babelon.revoke_api_token({token})                     | auth | 404  role role A    A    over 2fa  | role role A    gone 404  | A
call babelon.tenant_id()                                   | null | null null null null null null null | A    A    A    gone B    | null
call babelon.tenant_ids()                                  | 0    | B    A    A    A    A    A    A    | A    A    A    gone B    | 0
call babelon.tenant_ids('member')                          | 0    | B    0    A    A    A    A    A    | 0    A    A    gone B    | 0
call babelon.tenant_ids('admin')                           | 0    | B    0    0    A    A    A    A    | 0    0    A    gone B    | 0
call babelon.tenant_ids('owner')                           | 0    | B    0    0    0    A    A    A    | 0    0    0    gone 0    | 0

-- Read through views; the policies say which rows, and nobody writes.
select babelon.organizations                               | -    | B    A    A    A    A    A    A    | A    A    A    gone B    | A+B
select babelon.members                                     | -    | B    4A   4A   4A   4A   4A   4A   | 4A   4A   4A   gone B    | 4A+B
insert,update,delete babelon.organizations                 | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
insert,update,delete babelon.members                       | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
trigger babelon.organizations                              | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
trigger babelon.members                                    | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
select babelon_private.own_organizations                   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select babelon_private.own_memberships                     | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select,insert,update,delete babelon_private.organizations  | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select,insert,update,delete babelon_private.memberships    | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
trigger babelon_private.organizations                      | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
trigger babelon_private.memberships                        | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
references babelon_private.own_organizations                   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
references babelon_private.own_memberships | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
insert,update,delete,truncate,trigger babelon_private.own_organizations | - | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
insert,update,delete,truncate,trigger babelon_private.own_memberships | - | -    -    -    -    -    -    -    | ro   -    -    gone -    | -

-- Of nobody's: tokens, their hashes, and what they were used for.
select,references babelon_private.api_tokens               | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select,references babelon_private.api_token_uses           | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select,references babelon_private.usage_journal            | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select,insert,update,delete babelon_private.api_token_summaries | - | -    -    -    -    -    -    -    | -    -    -    gone -    | -
select babelon_private.api_token_states                    | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
insert,update,delete babelon_private.api_token_states      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
trigger babelon_private.api_token_states                   | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
usage,select,update babelon_private.api_token_uses_id_seq  | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
insert,update,delete,truncate,trigger babelon_private.api_tokens     | - | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
insert,update,delete,truncate,trigger babelon_private.api_token_uses | - | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
insert,update,delete,truncate,trigger babelon_private.usage_journal  | - | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
trigger babelon_private.api_token_summaries                | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -

-- What the API hands over to: each guards itself, however it is called.
call babelon_private.authenticate_request()                | null | null null null null null null null | null null null gone null | null
call babelon_private.verify_request()                      | false | false false false false false false false | false false false gone false | false
call (babelon_private.caller_roles()).role                 | 0    | owner viewer member admin owner owner owner | viewer member admin gone admin | 0
call (select count(*) from babelon_private.caller_organizations() where id::text in ({A}, {B})) | - | 1 1 1 1 1 1 1 | 1 1 1 gone 1 | 2
call (select count(*) from babelon_private.caller_members() where organization_id::text = {A}) | - | 0 4 4 4 4 4 4 | 4 4 4 gone 0 | 4
call (babelon_private.whoami()).kind                       | auth | user user user user user user user | token token token gone token | service
call babelon_private.create_organization('Babelon test A') | auth | A    A    A    A    A    over 2fa  | role role role gone role | role
call babelon_private.rename_organization({A}, 'Babelon test A') | auth | 404  role role A    A    over 2fa  | role role role gone 404  | A
call babelon_private.delete_organization({A})              | auth | 404  role role role null over 2fa  | role role role gone 404  | null
call babelon_private.set_member({outsider}, 'viewer', {A}, null) | auth | 404  role role A    A    over 2fa  | role role role gone 404  | A
call babelon_private.remove_member({viewer}, {A}, null)    | auth | 404  null role null null over 2fa  | role role role gone 404  | null
call babelon_private.generate_api_token('x', {A}, 'admin', null) | auth | 404  role role A    A    over 2fa  | role role A    gone 404  | A
call babelon_private.list_api_tokens({A})                  | auth | 404  5A   5A   5A   5A   5A   5A   | 5A   5A   5A   gone 404  | 5A
call babelon_private.revoke_api_token({token})             | auth | 404  role role A    A    over 2fa  | role role A    gone 404  | A

-- What runs inside those only, and what is the operator's.
call babelon_private.require_role({A}, 'viewer')           | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.require_own_organizations()           | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.keeps_organizations()                 | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.revoke_organization({A})              | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.purge_api_tokens(now())               | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.require_manager({A}, 'viewer')        | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.require_person()                      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.require_current_session()             | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.require_name('x')                     | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.find_person({viewer}, null, {A})      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.has_owner_besides(null, {A})          | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.authorize_member_change({viewer}, null, {A}, null) | - | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.caller_claim('sub')                   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.caller_token_id()                     | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.caller_user_id()                      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.request_has_pair()                    | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.raise_error('BBL_CONFLICT', 'x')      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.caller_kind()                         | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.usage_is_journalled()                 | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.private_headers('[]')                 | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.people_create_organizations()         | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.random_hex(16)                        | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.is_name('x')                          | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.forbid_unrevoking()                   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.forbid_writing()                      | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.collect_usage()                       | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.enable_usage_journal()                | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.disable_usage_journal()               | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.create_usage_slot()                   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.record_use(gen_random_uuid(), true)   | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.read_usage_journal('x', null, null, null) | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.fold_usage('x', null, null, null)     | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.flush_usage_journal()                 | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_private.restart_usage_journal()               | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -

-- Settings made by hand make nobody a token, and no token another one.
call (select babelon.tenant_id() from set_config('babelon.tenant_id', {B}, true)) | null | null null null null null null null | A A A gone B | null
call (select babelon.tenant_id() from set_config('babelon.token_id', gen_random_uuid()::text, true)) | null | null null null null null null null | null null null gone null | null

-- Everybody may name what is in the schemas; nobody may add to them.
usage babelon                                              | true | true true true true true true true | true true true gone true | true
usage babelon_private                                      | true | true true true true true true true | true true true gone true | true
create babelon                                             | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
create babelon_private                                     | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -

-- A table of an operator's, opened as the README says: viewers read, members write, admins delete.
select babelon_example.notes                               | -    | 3B   2A   2A   2A   2A   2A   2A   | 2A   2A   2A   gone 3B   | 2A+3B
insert babelon_example.notes (tenant_id) values ({A})      | -    | rls  rls  1    1    1    1    1    | ro   1    1    gone rls  | 1
insert babelon_example.notes (tenant_id) values ({B})      | -    | 1    rls  rls  rls  rls  rls  rls  | ro   rls  rls  gone 1    | 1
insert babelon_example.notes                               | -    | rls  rls  rls  rls  rls  rls  rls  | ro   1    1    gone 1    | 23502
update babelon_example.notes set body = 'x'                | -    | 3    0    2    2    2    2    2    | ro   2    2    gone 3    | 5
update babelon_example.notes set tenant_id = {B}           | -    | 3    0    rls  rls  rls  rls  rls  | ro   rls  rls  gone 3    | 5
delete babelon_example.notes                               | -    | 3    0    0    2    2    2    2    | ro   0    2    gone 3    | 5
truncate,trigger babelon_example.notes                     | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
references babelon_example.notes                           | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_example.stamp()                               | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -

-- What an operator opens to everybody who has the publishable key, tokens can use too, and it works for them: here a table with a
-- policy, and a function whose body asks Auth who is calling. Nothing of it is granted to babelon_token.
select babelon_example.news                                | A    | A    A    A    A    A    A    A    | A    A    A    gone A    | A
insert,update,delete,truncate,trigger babelon_example.news | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -
references babelon_example.news                            | -    | -    -    -    -    -    -    -    | -    -    -    gone -    | -
call babelon_example.person() is null                      | true | false false false false false false false | true true true gone true | true
usage babelon_example                                      | true | true true true true true true true | true true true gone true | true
create babelon_example                                     | -    | -    -    -    -    -    -    -    | ro   -    -    gone -    | -

$matrix$, '\n');

create temp table words (word text, code text);
insert into words values
  ('-', '42501'), ('rls', '42501'), ('ro', '25006'), ('gone', 'BBL_TOKEN_REVOKED'), ('auth', 'BBL_UNAUTHENTICATED'),
  ('role', 'BBL_FORBIDDEN'), ('404', 'BBL_NOT_FOUND'), ('which', 'BBL_ORGANIZATION_REQUIRED'),
  ('over', 'BBL_SESSION_ENDED'), ('2fa', 'BBL_MFA_REQUIRED'), ('last', 'BBL_CONFLICT'), ('elsewhere', 'BBL_ORGANIZATIONS_ELSEWHERE');

-- The actors, in the table's order. They become who they are as in real life: by the role and the claims that
-- PostgREST sets for a JWT, or by two headers.
create temp table actors (nr int generated always as identity, actor text, role text, claims jsonb, headers jsonb not null default '{}');
create temp table placeholders (name text, value text);

create function pg_temp.fill_in(statement text) returns text language plpgsql as $$
declare
  placeholder record;
begin
  for placeholder in select * from placeholders loop
    statement := replace(statement, '{' || placeholder.name || '}', quote_literal(placeholder.value));
  end loop;
  return statement;
end
$$;

-- Runs a statement as an actor would, and returns the one value that it yields, or how many rows it wrote.
create function pg_temp.as_actor(who text, statement text) returns text language plpgsql as $$
declare
  home  constant text := current_setting('role');
  me    record;
  said  text;
begin
  statement := pg_temp.fill_in(statement);
  select * into strict me from actors where actor = who;
  perform set_config('request.headers', me.headers::text, true), set_config('request.jwt.claims', me.claims::text, true),
          set_config('role', me.role, true);
  perform babelon_private.authenticate_request();
  if statement like 'select %' then
    execute statement into said;
  else
    execute statement;
    get diagnostics said = row_count;
  end if;
  perform set_config('role', home, true);
  return said;
end
$$;

-- Tries a statement as an actor, and takes back whatever it did; returns what came of it, or the code of the error.
create function pg_temp.attempt(who text, statement text) returns text language plpgsql as $$
declare
  state text;
  said  text;
begin
  said := pg_temp.as_actor(who, statement);
  raise sqlstate 'DONE0' using message = said;
exception when others then
  get stacked diagnostics state = returned_sqlstate, said = message_text;
  return case state when 'DONE0' then said when 'PGRST' then said::json ->> 'code' else state end;
end
$$;

-- The people: as Auth leaves them when they have signed up.
insert into placeholders select person, 'babelon-' || person || '@example.test'
  from unnest(array['outsider', 'viewer', 'member', 'admin', 'owner']) person;
insert into actors (actor, role, claims) values ('anon', 'anon', '{"role": "anon"}');
with signed_up as (
  insert into auth.users (id, email, email_confirmed_at)
  select gen_random_uuid(), value, now() from placeholders
  returning id, email
)
insert into actors (actor, role, claims)
select p.name, 'authenticated', jsonb_build_object('role', 'authenticated', 'sub', u.id, 'email', u.email)
  from signed_up u join placeholders p on p.value = u.email
 order by array_position(array['outsider', 'viewer', 'member', 'admin', 'owner'], p.name);
insert into placeholders select 'user', claims ->> 'sub' from actors where actor = 'viewer';

-- The owner has a second factor, and has shown it; or not, or in a session that Auth no longer has.
insert into auth.mfa_factors (id, user_id, factor_type, status, created_at, updated_at)
select gen_random_uuid(), (claims ->> 'sub')::uuid, 'totp', 'verified', now(), now() from actors where actor = 'owner';
insert into actors (actor, role, claims)
select new_actor, role, claims || more
  from actors, (values ('owner whose session has ended', jsonb_build_object('aal', 'aal2', 'session_id', gen_random_uuid())),
                       ('owner without the second factor', '{"aal": "aal1"}')) as also (new_actor, more)
 where actor = 'owner' order by new_actor;
update actors set claims = claims || '{"aal": "aal2"}' where actor = 'owner';

-- Their organizations.
insert into placeholders
select organization, pg_temp.new_organization('Babelon test ' || organization, (claims ->> 'sub')::uuid)
  from actors join (values ('owner', 'A'), ('outsider', 'B')) of_whom (owner, organization) on owner = actor;
select pg_temp.add_member(value::uuid, (claims ->> 'sub')::uuid, actor)
  from actors, placeholders where actor in ('viewer', 'member', 'admin') and name = 'A' \g /dev/null

-- Their tokens, and one that is to be revoked.
insert into actors (actor, role, claims, headers)
select actor, 'anon', '{"role": "anon"}', pg_temp.as_actor(maker, format(
         'select json_build_object(''x-client-id'', client_id, ''x-api-token'', api_token)
            from babelon.generate_api_token(%L, {%s}, %L)', 'Babelon test ' || organization, organization, role))::jsonb
  from (values ('viewer token', 'owner', 'A', 'viewer'), ('member token', 'owner', 'A', 'member'),
               ('admin token', 'owner', 'A', 'admin'), ('revoked token', 'owner', 'A', 'admin'),
               ('other organization''s token', 'outsider', 'B', 'admin')) token (actor, maker, organization, role);
insert into actors (actor, role, claims) values ('service role', 'service_role', '{"role": "service_role"}');
select pg_temp.as_actor('owner', format('select client_id from babelon.revoke_api_token(%L)', headers ->> 'x-client-id'))
  from actors where actor = 'revoked token' \g /dev/null
insert into placeholders values
  ('token', pg_temp.as_actor('owner', $$select client_id from babelon.generate_api_token('Babelon test A', {A})$$));

-- The operator's table.
create schema babelon_example;
create table babelon_example.notes (
  tenant_id uuid not null default babelon.tenant_id(),
  body      text
);
do $$
begin
  if babelon_private.keeps_organizations() then
    alter table babelon_example.notes add foreign key (tenant_id) references babelon_private.own_organizations (id) on delete cascade;
  end if;
end
$$;
alter table babelon_example.notes enable row level security;
-- As a project's own functions, defaults and triggers may be: each names schema auth, which nobody can open to babelon_token.
create function babelon_example.person() returns uuid language plpgsql stable as 'begin return auth.uid(); end';
create function babelon_example.stamp() returns trigger language plpgsql as 'begin new.author := auth.uid(); return new; end';
revoke all on function babelon_example.person(), babelon_example.stamp() from public;
grant execute on function babelon_example.person() to anon, authenticated, service_role;
alter table babelon_example.notes add column author uuid, alter column author set default auth.uid();
create table babelon_example.news (tenant_id uuid);
alter table babelon_example.news enable row level security;
create policy news_select_everybody on babelon_example.news for select to anon, authenticated using (true);
grant select on babelon_example.news to anon, authenticated, service_role;
insert into babelon_example.news select value::uuid from placeholders where name = 'A';
create policy notes_select_viewer on babelon_example.notes for select to authenticated, babelon_token
  using (tenant_id = any (array(select babelon.tenant_ids('viewer'))));
create policy notes_insert_member on babelon_example.notes for insert to authenticated, babelon_token
  with check (tenant_id = any (array(select babelon.tenant_ids('member'))));
create policy notes_update_member on babelon_example.notes for update to authenticated, babelon_token
  using (tenant_id = any (array(select babelon.tenant_ids('member')))) with check (tenant_id = any (array(select babelon.tenant_ids('member'))));
create policy notes_delete_admin on babelon_example.notes for delete to authenticated, babelon_token
  using (tenant_id = any (array(select babelon.tenant_ids('admin'))));
grant usage on schema babelon_example to anon, authenticated, service_role, babelon_token;
grant select, insert, update, delete on babelon_example.notes to authenticated, service_role, babelon_token;
insert into babelon_example.notes (tenant_id, author)
select value::uuid, null from placeholders, generate_series(1, case name when 'A' then 2 else 3 end) where name in ('A', 'B');
create trigger stamp before insert or update on babelon_example.notes for each row execute function babelon_example.stamp();

-- The catalog, to hold beside the table: every object with the verbs that its kind has, and every grant.
create temp view objects as
select oid::regclass::text as object, relacl as acl, relowner as owner, case relkind when 'S' then 'sequence' else 'table' end as kind,
       case relkind when 'S' then '{usage,select,update}' when 'v' then '{select,insert,update,delete,trigger}'
         else '{select,insert,update,delete,truncate,references,trigger}' end::text[] as verbs
  from pg_class where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
   and relnamespace::regnamespace::text in ('babelon', 'babelon_private', 'babelon_example')
union all
select oid::regproc::text, coalesce(proacl, acldefault('f', proowner)), proowner, 'function', '{call}'
  from pg_proc where pronamespace::regnamespace::text in ('babelon', 'babelon_private', 'babelon_example')
union all
select nspname, nspacl, nspowner, 'schema', '{usage,create}'
  from pg_namespace where nspname in ('babelon', 'babelon_private', 'babelon_example');

create temp view grants as
with acls as (
  select object, acl, owner from objects
  union all
  select attrelid::regclass::text, attacl, owner from pg_attribute join objects on object = attrelid::regclass::text
), granted as (
  select object, case privilege_type when 'EXECUTE' then 'call' else lower(privilege_type) end as verb,
         case grantee when 0 then 'public' else grantee::regrole::text end as role
    from acls, aclexplode(acl)
   where grantee <> owner
)
select * from granted
union
select object, verb, 'babelon_token' from granted where role = 'anon';  -- which it inherits

-- The table, taken apart: a cell for each line, verb and actor.
create temp table cells as
with lines as (
  select nr, part[1] as verbs, part[2] as what, coalesce(substring(part[2] from 'babelon\w*\.\w+'), part[2]) as object,
         regexp_split_to_array(btrim(part[3]), '[\s|]+') as cells
    from expected, regexp_match(line, '^([a-z,]+) ([^|]+\S)\s*\|(.*)') as part
)
select l.nr as line_nr, a.nr as actor_nr, a.actor, case when a.headers ? 'x-client-id' then 'babelon_token' else a.role end as role,
       verb, l.what, l.object, o.kind, l.cells[a.nr] as cell, cardinality(l.cells) as width
  from lines l left join objects o using (object), regexp_split_to_table(l.verbs, ',') as verb, actors a;

-- Where the project keeps organizations itself, Babelon's own tables are gone, and whatever would change them refuses everybody.
delete from cells where object ~ '\.own_' and not babelon_private.keeps_organizations();
update cells set cell = 'elsewhere'
 where object ~ '\.((create|rename|delete)_organization|(set|remove)_member)$' and cell <> 'gone' and not babelon_private.keeps_organizations();

-- What an actor runs for a cell. Of rows it only tells whose they are. Where no simple statement gets as far as the
-- privilege, as with a view that takes no rows, it asks whether there is one.
create function pg_temp.statement(verb text, what text, object text, kind text, role text) returns text language sql as $$
  select case
    when verb in ('usage', 'references') or kind = 'sequence'
      or verb in ('insert', 'update', 'delete') and pg_relation_is_updatable(to_regclass(object), false) = 0 then
      format('select case when has_%s_privilege(%L, %L) then ''true'' else ''42501'' end', kind, object, verb)
    when verb = 'insert'   then 'insert into ' || what || case when what = object then ' default values' else '' end
    when verb = 'update'   then 'update ' || what || case when what = object then
                                  (select format(' set %I = default', attname) from pg_attribute
                                    where attrelid = what::regclass and attnum = 1) else '' end
    when verb = 'delete'   then 'delete from ' || what
    when verb = 'truncate' then 'truncate ' || what
    when verb = 'trigger'  then format('create trigger t before insert on %s for each statement execute function %s()',
                                  what, 'suppress_redundant_updates_trigger') -- which everybody may execute
    when verb = 'create'   then format('create table %s.t ()', what)
    else format(
      $q$select coalesce(string_agg(case when n > 1 then n::text else '' end || owner, '+' order by owner), '0')
           from (select owner, count(*) as n
                   from (%s) as found (line),
                        lateral (select case when line ~ %L then 'A' when line ~ %L then 'B'
                                             else coalesce(nullif(line, ''), 'null') end) as whose (owner)
                  where owner in ('A', 'B') or not %L
                  group by owner) as counted$q$,
      case verb
        when 'select' then format('select t::text from %s t', what)
        when 'call'   then format('select (%s)::text', what)
      end,
      (select 'Babelon test A|' || value from placeholders where name = 'A'),
      (select 'Babelon test B|' || value from placeholders where name = 'B'),
      verb = 'select' and role = 'service_role')
  end
$$;

select plan(9 + (select count(*)::int from cells));

select is_empty('select line from expected where line !~ ''^(--|\s*$)'' and nr not in (select line_nr from cells)
                  and (babelon_private.keeps_organizations() or line !~ ''\.own_'')',
  'every line of the table is a comment or has been understood');
select is_empty('select * from cells where width <> 14 or cell is null', 'every line of the table has fourteen cells');
select set_eq('select object, unnest(verbs) from objects', 'select distinct object, verb from cells',
  'the table has every table, view, sequence, function and schema that there is, each with every verb, and no other');
select set_eq('select distinct object, verb, role from grants',
  'select distinct object, verb, role from cells where cell not in (''-'', ''ro'', ''gone'')',
  'every grant, of a column too, is to be seen in the table, and there are no others');
select set_eq('select rolname from pg_roles where pg_has_role(''babelon_token'', oid, ''usage'')', array['anon', 'babelon_token'],
  'beside what is granted to it, a token can do what anon can, and nothing of another role''s');
select is_empty('select proname from pg_proc where pronamespace::regnamespace::text in (''babelon'', ''babelon_private'')
                  group by pronamespace, proname having count(*) > 1', 'no function has a second one of its name, which a line would not tell apart');
select set_eq($$
  select t.oid::regtype::text, string_agg(attname, ' ' order by attnum)
    from pg_type t left join pg_attribute on attrelid = typrelid and attnum > 0 and not attisdropped
   where t.oid in (select reltype    from pg_class where relnamespace = 'babelon'::regnamespace and relkind <> 'c'
             union select prorettype from pg_proc  where pronamespace = 'babelon'::regnamespace)
   group by t.oid
$$, $$ values
  ('babelon.organizations',  'id name role'),
  ('babelon.members',        'organization_id user_id email role'),
  ('babelon.identity',       'kind organization_id organization_name role client_id token_name user_id email keeps_organizations'),
  ('babelon_private.api_token_summaries', 'organization_id client_id name role state created_at created_by created_by_role created_by_email last_used_at uses last_denied_at denials usage_as_of usage_missing_before revoked_at'),
  ('babelon.api_token_pair', 'client_id api_token name role organization_id created_at'),
  ('uuid', null), ('void', null)
$$, 'the views and functions of the API show these columns, and only a new pair has a secret');

select is(pg_temp.attempt(actor, pg_temp.statement(verb, what, object, kind, role)),
          coalesce((select code from words where word = cell), cell),
          format('%s: %s %s is %s', actor, verb, what, cell))
  from cells order by line_nr, verb, actor_nr;

-- A JWT of a role that only a verified pair leads to, beside no pair, half a pair and a whole one.
insert into actors (actor, role, claims, headers)
select 'JWT of the role babelon_token, ' || beside, 'babelon_token', '{"role": "babelon_token"}', headers
  from (values ('no pair', '{}'::jsonb), ('half a pair', '{"x-client-id": "bbl_cid_0123456789abcdef"}'),
               ('a pair', (select headers from actors where actor = 'admin token'))) as pairs (beside, headers);
select set_eq(
  $$select pg_temp.attempt(a.actor, pg_temp.statement(verb, what, object, kind, 'babelon_token'))
      from actors a, cells c where a.actor like 'JWT of %' and c.actor = 'anon'$$,
  array['BBL_UNAUTHENTICATED'], 'a JWT that names the role of tokens is nobody''s, whatever it asks for');

-- Data of an operator's that does not go with its organization. PostgreSQL 18 has an error of its own for it.
do $$
begin
  if babelon_private.keeps_organizations() then
    create table babelon_example.invoices (tenant_id uuid not null references babelon_private.own_organizations (id) on delete restrict);
    insert into babelon_example.invoices select value::uuid from placeholders where name = 'B';
  end if;
end
$$;
select is(pg_temp.attempt('outsider', 'select babelon.delete_organization({B})'),
          case when babelon_private.keeps_organizations() then 'BBL_CONFLICT' else 'BBL_ORGANIZATIONS_ELSEWHERE' end,
          'an organization that the operator keeps data of is not deleted');

select * from finish();
rollback;
