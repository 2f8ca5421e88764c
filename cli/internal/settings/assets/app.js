// What scripts add to the page: dialogs open over the list, the list keeps itself up to date, the search follows the
// typing, and buttons copy. Everything here fetches a page that also works by itself, and puts its parts in place. A
// secret is in the document only while its dialog is open.
'use strict';

const dialog = document.getElementById('dialog');
const shell = document.getElementById('shell');
const search = document.getElementById('search');
const path = document.body.dataset.path;
const interval = 10_000;

let opener = 'generate';   // the id of what opened the dialog
let list = html('list');   // as the server rendered it
let refreshing = false;
let stored = false;        // the dialog's secret was copied, or its user was asked about it

function html(id, of = document) {
  return of.getElementById(id)?.innerHTML;
}

// here returns the address of the list as it is on the page.
function here() {
  return path + location.search;
}

// load fetches a page of ours. It throws when there is no connection.
async function load(address, options = {}) {
  const response = await fetch(address, { cache: 'no-store', ...options });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  return { response, page, complete: page.getElementById('list') !== null };
}

// update shows the list of another page of ours, where it differs, and leaves focus and scroll where they are.
function update(page) {
  document.body.dataset.version = page.body.dataset.version;
  for (const input of document.querySelectorAll('input[name=csrf]')) {
    input.value = page.querySelector('input[name=csrf]').value;
  }
  search.hidden = page.getElementById('search').hidden;
  for (const field of search.elements) {
    if (field.name && field !== document.activeElement) field.value = page.querySelector(`#search [name=${field.name}]`).value;
  }
  for (const id of ['actions', 'list']) {
    const [now, next] = [document.getElementById(id), html(id, page)];
    if (id === 'list' ? next === list : next === now.innerHTML) continue;
    if (id === 'list') list = next;
    const focused = now.contains(document.activeElement) ? document.activeElement.id : '';
    now.replaceChildren(...page.getElementById(id).cloneNode(true).childNodes);
    if (focused) (document.getElementById(focused) ?? document.getElementById('heading')).focus({ preventScroll: true });
  }
}

// refresh brings the list up to date, unless nobody sees it. The server answers 304 when nothing has changed.
async function refresh() {
  if (document.hidden || refreshing || !path) return;
  refreshing = true;
  const address = here();
  try {
    const headers = { 'Babelon-Poll': '1', 'If-None-Match': `"${document.body.dataset.version}"` };
    const { response, page, complete } = await load(address, { headers });
    const same = response.status === 304;
    if (address !== here()) return; // the user has gone on meanwhile
    if (complete && response.ok) update(page);
    else if (!complete && !same && !dialog.open) return location.assign(response.url); // to sign in
    tick(new Date(response.headers.get('Date')));
    lost(!same && complete && !response.ok);
  } catch {
    lost(true);
  } finally {
    refreshing = false;
  }
}

// tick brings the times on the page up to date. It words them as term.Ago does.
function tick(now) {
  for (const time of document.querySelectorAll('time.ago')) {
    const minutes = Math.floor((now - new Date(time.dateTime)) / 60_000);
    if (minutes < 1) time.textContent = 'just now';
    else if (minutes < 60) time.textContent = `${minutes} min ago`;
    else if (minutes < 48 * 60) time.textContent = `${Math.floor(minutes / 60)} h ago`;
    else if (minutes < 30 * 24 * 60) time.textContent = `${Math.floor(minutes / 60 / 24)} days ago`;
  }
}

function lost(is) {
  say('lost', is ? 'The connection is lost. The list may be out of date, and refreshes itself as soon as it can.' : '');
}

function say(id, text) {
  const region = document.getElementById(id);
  if (region.textContent !== text) region.textContent = text;
}

// notify says something for a while.
function notify(text, region = document.getElementById('notice')) {
  region.textContent = text;
  setTimeout(() => { if (region.textContent === text) region.textContent = ''; }, 10_000);
}

// show puts the content of a page's dialog into ours and opens it.
function show(page) {
  dialog.replaceChildren(...page.getElementById('dialog').childNodes);
  modal();
  const made = document.getElementById('made-id');
  if (made) remember('made', made.textContent); // so that the page says after a reload that the secret is gone
  stored = false;
}

// remember puts something into the page's address, or takes it out.
function remember(name, value) {
  const query = new URLSearchParams(location.search);
  query.delete(name);
  if (value) query.set(name, value);
  history.replaceState(null, '', path + (query.size ? `?${query}` : ''));
}

function modal() {
  shell.inert = false;
  if (!dialog.matches(':modal')) {
    dialog.removeAttribute('open');
    dialog.showModal();
  }
  dialog.querySelector('[autofocus]')?.focus();
}

async function open(link) {
  try {
    const { page } = await load(link.href);
    if (!page.getElementById('dialog')?.hasChildNodes()) return location.assign(link.href);
    opener = link.id;
    show(page);
    lost(false);
  } catch {
    lost(true);
  }
}

async function send(form) {
  const body = new URLSearchParams(new FormData(form));
  busy(form, true);
  try {
    const { response, page, complete } = await load(form.action, { method: 'POST', body });
    if (!complete) {
      if (page.getElementById('sign-in')) return location.assign(response.url);
      problem(form, page.getElementById('message')?.textContent ?? 'Something went wrong. Try again.');
      return;
    }
    if (response.ok) update(page);
    if (page.getElementById('dialog').hasChildNodes()) return show(page);
    history.replaceState(null, '', response.url);
    opener = new URLSearchParams(location.search).get('keep') ?? opener;
    leave();
    notify(page.getElementById('notice').textContent);
  } catch {
    problem(form, 'The connection is lost. What you typed is still here: try again when it is back.');
  } finally {
    busy(form, false);
  }
}

function busy(form, is) {
  form.setAttribute('aria-busy', is);
  for (const button of form.querySelectorAll('button')) button.disabled = is;
  if (!is && document.activeElement === document.body) form.querySelector('button:not([type=button])')?.focus();
}

function problem(form, text) {
  form.querySelector('[role=alert]').textContent = text;
}

// forget removes what was in the dialog, and the dialog from the address.
function forget() {
  dialog.replaceChildren();
  remember('made');
}

// leave closes the dialog. It does not wait for the close event, which comes late.
function leave() {
  forget();
  dialog.close();
}

// Escape, or a phone's back gesture. It asks once when it would lose a secret.
dialog.addEventListener('cancel', (event) => {
  event.preventDefault();
  if (dialog.querySelector('[aria-busy=true]')) return; // the answer to come may have a secret
  if (stored || !document.getElementById('stored')) return leave();
  stored = true;
  say('stored', 'Have you stored the API token? Nobody can show it again. Press Escape once more to close.');
  dialog.querySelector('[data-copy=made-secret]').focus();
});

dialog.addEventListener('close', () => {
  forget(); // where the browser closed it
  const back = document.getElementById(opener) ?? document.getElementById('generate') ?? document.getElementById('heading');
  if (back.matches('tr')) back.tabIndex = -1;
  back.focus({ preventScroll: true });
});

// The user copies by hand. The buttons do not cause this event.
dialog.addEventListener('copy', () => { stored = true; });

dialog.addEventListener('submit', (event) => {
  event.preventDefault();
  send(event.target);
});

document.addEventListener('click', (event) => {
  const link = event.target.closest('a');
  const button = event.target.closest('button[data-copy]');
  if (button) return copy(button);
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (link.matches('[data-close]')) leave();
  else if (link.matches('[data-dialog]')) open(link);
  else if (link.matches('[data-list]')) swap(link.href).then(() => link.matches('.pages a') && document.getElementById('heading').focus());
  else return;
  event.preventDefault();
});

// swap shows another part of the list. The last click wins.
async function swap(address) {
  history.replaceState(null, '', address);
  const asked = here();
  try {
    const { response, page, complete } = await load(asked);
    if (asked !== here()) return;
    if (!complete) return location.assign(response.url);
    update(page);
    lost(!response.ok);
  } catch {
    lost(true);
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  // While a dialog is open, nothing outside it is seen or read out.
  const region = document.getElementById(dialog.open ? 'copied-made' : 'copied');
  region.textContent = ''; // so that screen readers say the same words again
  try {
    await navigator.clipboard.writeText(source.textContent);
    stored ||= source.id !== 'made-id' && dialog.contains(source);
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 2000);
    region.className = 'sr'; // the button shows it
    notify('Copied', region);
  } catch {
    getSelection().selectAllChildren(source);
    region.className = 'callout';
    notify('Selected. Press Ctrl+C, or Cmd+C on a Mac, to copy.', region);
  }
}

document.addEventListener('click', (event) => {
  const tab = event.target.closest('[role=tab]');
  if (tab) select(tab);
  const switcher = document.querySelector('details.switcher[open]');
  if (switcher && !switcher.contains(event.target)) switcher.open = false;
});

document.addEventListener('keydown', (event) => {
  const switcher = event.target.closest('details.switcher[open]');
  if (switcher && event.key === 'Escape') {
    switcher.open = false;
    switcher.querySelector('summary').focus();
  }
  if (!event.target.matches('[role=tab]')) return;
  const tabs = [...event.target.parentElement.children];
  const at = tabs.indexOf(event.target);
  const next = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  select(tabs.at(next % tabs.length));
});

function select(tab) {
  for (const other of tab.parentElement.children) {
    const chosen = other === tab;
    other.setAttribute('aria-selected', chosen);
    other.tabIndex = chosen ? 0 : -1;
    document.getElementById(other.getAttribute('aria-controls')).hidden = !chosen;
  }
  tab.focus();
}

// The list follows the fields of the search form.
let typing;

search?.addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(find, 200);
});
search?.addEventListener('submit', (event) => {
  event.preventDefault();
  clearTimeout(typing);
  find();
});

function find() {
  const filled = [...new FormData(search)].filter(([, value]) => value.trim());
  swap(filled.length ? `${path}?${new URLSearchParams(filled)}` : path);
}

// Some browsers keep a page for the back button, with its secrets.
addEventListener('pagehide', () => {
  if (dialog.open) dialog.replaceChildren();
});
addEventListener('pageshow', (event) => {
  if (!event.persisted) return;
  if (dialog.open) location.reload();
  else refresh();
});
addEventListener('focus', refresh);
document.addEventListener('visibilitychange', refresh);
setInterval(refresh, interval);

if (dialog.open) modal();
