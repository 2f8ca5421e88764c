// What the page does more comfortably with scripts: dialogs that open over the list, a list that keeps itself
// up to date, search as one types, copying. Everything here fetches a page that also works by itself and puts
// its parts in place. A secret is in the document only while its dialog is open.
'use strict';

const dialog = document.getElementById('dialog');
const shell = document.getElementById('shell');
const path = document.body.dataset.path;
const interval = 10_000;

let opener = 'generate';   // the id of what opened the dialog
let list = html('list');   // as the server rendered it
let refreshing = false;

function html(id, of = document) {
  return of.getElementById(id)?.innerHTML;
}

// load fetches a page of ours. It throws when there is no connection.
async function load(address, options = {}) {
  const response = await fetch(address, { cache: 'no-store', ...options });
  const page = new DOMParser().parseFromString(await response.text(), 'text/html');
  return { response, page, complete: page.getElementById('list') !== null };
}

// update shows the list of another page of ours, where it differs, and leaves focus and scroll where they are.
function update(page) {
  for (const input of document.querySelectorAll('input[name=csrf]')) {
    input.value = page.querySelector('input[name=csrf]').value;
  }
  document.getElementById('search').hidden = page.getElementById('search').hidden && !query.value; // or nobody can clear it
  for (const id of ['actions', 'list']) {
    const [now, next] = [document.getElementById(id), html(id, page)];
    if (id === 'list' ? next === list : next === now.innerHTML) continue;
    if (id === 'list') list = next;
    const focused = now.contains(document.activeElement) ? document.activeElement.id : '';
    now.replaceChildren(...page.getElementById(id).cloneNode(true).childNodes);
    if (focused) (document.getElementById(focused) ?? document.getElementById('heading')).focus({ preventScroll: true });
  }
  filter();
}

// refresh brings the list up to date, unless nobody sees it.
async function refresh() {
  if (document.hidden || refreshing || !path) return;
  refreshing = true;
  try {
    const { response, page, complete } = await load(path + location.search, { headers: { 'Babelon-Poll': '1' } });
    if (complete && response.ok) update(page);
    else if (!complete && !dialog.open) location.reload(); // signed out
    lost(complete && !response.ok);
  } catch {
    lost(true);
  } finally {
    refreshing = false;
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
      const message = page.getElementById('message')?.textContent ?? 'Something went wrong. Try again.';
      problem(form, page.getElementById('sign-in') ? 'Your session has ended. Sign in in another window, then try again here.' : message);
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

// leave closes the dialog. What was in it goes first: the close event comes late, or not at all to a page that is left.
function leave() {
  dialog.replaceChildren();
  dialog.close();
}

dialog.addEventListener('cancel', (event) => {
  event.preventDefault();
  if (!dialog.querySelector('[aria-busy=true]')) leave(); // else the answer to come may have a secret
});

dialog.addEventListener('close', () => {
  dialog.replaceChildren(); // where the browser closed it
  if (location.pathname !== path) history.replaceState(null, '', path + location.search);
  const back = document.getElementById(opener) ?? document.getElementById('generate') ?? document.getElementById('heading');
  if (back.matches('tr')) back.tabIndex = -1;
  back.focus({ preventScroll: true });
});

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
  else if (link.matches('[data-list]')) swap(link.href);
  else return;
  event.preventDefault();
});

async function swap(address) {
  try {
    const { page, complete } = await load(address);
    if (!complete) return location.assign(address);
    history.replaceState(null, '', address);
    update(page);
    lost(false);
  } catch {
    lost(true);
  }
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  // While a dialog is open, nothing outside of it is seen or read out.
  const region = document.getElementById(dialog.open ? 'copied-made' : 'copied');
  region.textContent = ''; // so that the same is said again
  try {
    await navigator.clipboard.writeText(source.textContent);
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 2000);
    region.className = 'sr'; // others see the button
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

const query = document.getElementById('q');

// filter shows the tokens that match what is typed.
function filter() {
  const wanted = query.value.trim().toLowerCase();
  let shown = 0;
  for (const row of document.querySelectorAll('tr[data-token]')) {
    row.hidden = !row.dataset.token.toLowerCase().includes(wanted);
    if (!row.hidden) shown++;
  }
  const none = document.getElementById('none');
  if (none) none.hidden = shown > 0;
}

query?.addEventListener('input', filter);
query?.form.addEventListener('submit', (event) => event.preventDefault());

// A page that is left is kept for the back button by some browsers, secrets and all.
addEventListener('pagehide', () => { if (dialog.open) leave(); });
addEventListener('pageshow', (event) => { if (event.persisted) refresh(); });
addEventListener('focus', refresh);
document.addEventListener('visibilitychange', refresh);
setInterval(refresh, interval);

if (dialog.open) modal();
