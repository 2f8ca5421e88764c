-- Every error that a caller can meet, with its HTTP status, in one place.

create type babelon_private.error_code as enum (
  'BBL_INVALID_INPUT',
  'BBL_ORGANIZATION_REQUIRED',
  'BBL_AMBIGUOUS_CREDENTIALS',
  'BBL_INVALID_TOKEN',
  'BBL_TOKEN_REVOKED',
  'BBL_UNAUTHENTICATED',
  'BBL_SESSION_ENDED',
  'BBL_MFA_REQUIRED',
  'BBL_FORBIDDEN',
  'BBL_ORGANIZATIONS_ELSEWHERE',
  'BBL_TENANT_MISMATCH',
  'BBL_NOT_FOUND',
  'BBL_CONFLICT'
);

create function babelon_private.raise_error(code babelon_private.error_code, message text, hint text default null)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  status constant int := case code
    when 'BBL_INVALID_INPUT'         then 400
    when 'BBL_ORGANIZATION_REQUIRED' then 400
    when 'BBL_AMBIGUOUS_CREDENTIALS' then 400
    when 'BBL_INVALID_TOKEN'         then 401
    when 'BBL_TOKEN_REVOKED'         then 401
    when 'BBL_UNAUTHENTICATED'       then 401
    when 'BBL_SESSION_ENDED'         then 401
    when 'BBL_MFA_REQUIRED'          then 403
    when 'BBL_FORBIDDEN'             then 403
    when 'BBL_ORGANIZATIONS_ELSEWHERE' then 403
    when 'BBL_TENANT_MISMATCH'       then 403
    when 'BBL_NOT_FOUND'             then 404
    when 'BBL_CONFLICT'              then 409
  end;
begin
  -- PostgREST turns this SQLSTATE into the response itself: message is the body, detail the status and headers.
  raise sqlstate 'PGRST' using
    message = json_build_object('code', code, 'message', message, 'details', null, 'hint', hint),
    detail  = json_build_object('status', status, 'headers',
      case when status = 401 then '{"Cache-Control": "no-store", "WWW-Authenticate": "Babelon realm=\"api\""}'
           else '{"Cache-Control": "no-store"}' end::json);
end
$$;

comment on type babelon_private.error_code is 'The codes of Babelon''s errors, as raise_error() answers them.';
comment on function babelon_private.raise_error is
  'Raises a BBL_ error as PostgREST''s SQLSTATE PGRST: body {code, message, details, hint}, the code''s status, no-store for caches, and WWW-Authenticate on 401. Never pass it what the caller sent.';
