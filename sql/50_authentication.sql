-- The request path: PostgREST calls authenticate_request() in every request's transaction, before the query.
--
--   X-Client-Id + X-Api-Token  →  verify, record the use, scrub the secret, set babelon.token_id, switch to babelon_token
--   neither header             →  nothing happens; people's JWTs work as ever
--   anything else              →  an error: a wrong pair never falls back to another identity

-- Every request with a pair runs these two functions, in a transaction of its own: so each expression is set up anew, and
-- costs about a microsecond. What is needed rarely stands in a nested branch, and a function that returns something
-- is assigned, because PERFORM would start a query.

-- The answer to a pair is for its holder alone, and shared caches respect only Authorization without being told. Adds that
-- to the headers that a project's own hook has set; its Cache-Control wins. So does what a later function sets.
create function babelon_private.private_headers(headers text)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
  return case when headers ilike '%"cache-control"%' then '[]' else '[{"Cache-Control":"private, no-store"}]' end::jsonb
    || '[{"Vary":"X-Client-Id, X-Api-Token"}]'::jsonb
    || headers::jsonb;
end
$$;

-- Definer, to read token rows. It takes no arguments: the secret goes from the header into a hash and nowhere else.
-- Returns true when the request carries a valid pair, false when it carries none or was verified before, and raises
-- otherwise.
create function babelon_private.verify_request()
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pg_temp
as $$
<<request>>
declare
  -- A NUL character cannot become text, and the error for it would quote the headers in the server's log.
  headers   constant json := replace(nullif(current_setting('request.headers', true), ''), '\u0000', '\ufffd')::json;
  client_id constant text := headers ->> 'x-client-id';
  api_token constant text := headers ->> 'x-api-token';
  token     record;
  recorded  boolean;
  setting   text;
begin
  -- A JWT with a `sub` is somebody's, whatever its role.
  if current_setting('role') <> 'anon' or current_setting('request.jwt.claims', true) like '%"sub"%' then
    if babelon_private.caller_token_id() is not null then
      return false;
    elsif current_setting('role') = 'babelon_token' then
      perform babelon_private.raise_error('BBL_UNAUTHENTICATED', 'the role babelon_token is for verified token pairs',
        'Send X-Client-Id and X-Api-Token, without a JWT of that role.');
    elsif client_id is null and api_token is null then
      return false;
    end if;
    perform babelon_private.raise_error('BBL_AMBIGUOUS_CREDENTIALS',
      'a token pair was sent beside another identity',
      'Send either X-Client-Id and X-Api-Token, or a user''s or service key''s Authorization, not both.');
  elsif client_id is null and api_token is null then
    return false;
  end if;

  select t.id, t.organization_id, t.secret_hash, t.role, t.state = 'active' as active into token
    from babelon_private.api_token_states t
   where t.client_id = request.client_id;

  -- A half, malformed or unknown pair ends here like a wrong secret, because NULL is not true: there is no
  -- row, no secret, or a secret of another shape, whose hash no row has.
  if (token.secret_hash = sha256(convert_to(api_token, 'UTF8'))) is not true then
    perform babelon_private.raise_error('BBL_INVALID_TOKEN', 'invalid client ID or API token',
      'Send both X-Client-Id and X-Api-Token, exactly as they were generated.');
  end if;

  -- From here on the caller has shown the secret, and may learn about the token; and the use counts, whatever
  -- becomes of the request.
  recorded := babelon_private.record_use(token.id, token.active);
  -- What few requests meet, behind one condition.
  if not token.active or headers::text like '%x-tenant-id%' then
    if not token.active then
      perform babelon_private.raise_error('BBL_TOKEN_REVOKED', 'this API token was revoked',
        'Generate a new one.');
    elsif lower(headers ->> 'x-tenant-id') <> token.organization_id::text then
      perform babelon_private.raise_error('BBL_TENANT_MISMATCH', 'this API token belongs to another organization',
        'X-Tenant-Id only asserts the organization; leave it out, or use that organization''s token.');
    end if;
  end if;

  -- One expression, because each costs.
  setting := set_config('request.headers',  replace(headers::text, api_token, ''), true)
    || set_config('babelon.token_id', token.id::text, true)
    || set_config('response.headers', case
         when coalesce(current_setting('response.headers', true), '') = ''
           then '[{"Cache-Control":"private, no-store"},{"Vary":"X-Client-Id, X-Api-Token"}]'
         else babelon_private.private_headers(current_setting('response.headers', true))
       end, true);
  if token.role = 'viewer' then
    setting := set_config('transaction_read_only', 'on', true);
  end if;
  return true;
end
$$;

-- The hook itself. Invoker, because PostgreSQL forbids switching roles inside a definer function. Where the
-- hook is not installed every exposed function calls it first; a second call in a transaction does nothing.
create function babelon_private.authenticate_request()
returns void
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  setting text;
begin
  -- Most requests have no pair: searching the text for the headers' names costs less than parsing it. PostgREST writes
  -- them in lower case and without escapes.
  if current_setting('request.headers', true) like any ('{%x-client-id%,%x-api-token%}')
     or current_setting('role') = 'babelon_token' then
    if babelon_private.verify_request() then
      setting := set_config('role', 'babelon_token', true);
    end if;
  end if;
end
$$;

comment on function babelon_private.authenticate_request is
  'PostgREST''s pre-request hook (pgrst.db_pre_request). To keep a hook of your own, make it security invoker and call this first.';
comment on function babelon_private.verify_request is
  'Verifies X-Client-Id and X-Api-Token of request.headers. Errors: BBL_INVALID_TOKEN, BBL_TOKEN_REVOKED, BBL_AMBIGUOUS_CREDENTIALS, BBL_TENANT_MISMATCH, BBL_UNAUTHENTICATED (a JWT of the role babelon_token).';
