// SPDX-License-Identifier: Apache-2.0
// The application's queue: what mongoose inserts is completed by the real program, and mongoose loads,
// validates and saves it again. Scenarios 1 to 4 of the application's acceptance list.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { connect, savesAgain } from './schemas.mjs';
import { Rig, until } from './rig.mjs';

const rig = new Rig();
let site, uri, app, gleaner;

before(async () => {
    uri = await rig.mongod();
    site = await rig.site();
    app = await connect(uri);
    gleaner = rig.gleaner(uri, '--max-attempts', '2', '--retry-base', '20', '--total-timeout', '2000', '--set',
        'text.relevance=bambisleep, bambi sleep');
});
after(async () => {
    await app?.close();
    await rig.end(gleaner);
    await rig.close();
});

const submit = (type, path) => app.ScraperSubmission.create({ type, url: new URL(path, site).href, bambiname: 'tester' });

/** Waits for the end of a submission: mongoose's document and the stored one with BSON types. */
async function ended(submission) {
    const id = submission._id;
    const document = await until(`the end of ${submission.url}\n${gleaner.errors}`, async () => {
        if (gleaner.exitCode !== null) throw new Error(`gleaner ended: ${gleaner.errors}`);
        const now = await app.ScraperSubmission.findById(id).orFail();
        return now.status !== 'pending' && now;
    });
    return { document, raw: await raw(app.ScraperSubmission, id) };
}

const raw = (model, _id) => model.collection.findOne({ _id }, { promoteValues: false });
const emptyResults = { text: { contentFound: false, content: '' }, image: { contentFound: false, content: [] },
    video: { contentFound: false, content: [] } };

function page(path, body, type = 'text/html; charset=utf-8', status = 200) {
    rig.pages.set(path, [status, type, body]);
}

/** Everything that must hold of any submission that was worked on. */
async function isSound(submission) {
    const { document, raw: stored } = await ended(submission);
    assert.ok(['completed', 'failed'].includes(stored.status));
    for (const name of ['upvotes', 'downvotes', '__v']) assert.equal(stored[name]?._bsontype, 'Int32', name);
    assert.ok(stored.submittedAt instanceof Date);
    for (const [kind, empty] of Object.entries(emptyResults)) {
        assert.equal(typeof stored.results[kind].contentFound, 'boolean', kind);
        assert.equal(Array.isArray(stored.results[kind].content), Array.isArray(empty.content), kind);
    }
    const again = await savesAgain(app.ScraperSubmission, submission._id);
    const kept = await raw(app.ScraperSubmission, submission._id);
    assert.deepEqual(kept.gleaner, stored.gleaner, 'our fields survive the save');
    assert.deepEqual(again.toObject(), { ...document.toObject(), __v: again.__v });
    return { document, stored };
}

/** Every document of the model with these fields is one that the application can save; returns them. */
async function soundContents(model, filter) {
    const found = await model.find(filter);
    for (const one of found) {
        const stored = await raw(model, one._id);
        assert.equal(stored._id._bsontype, 'ObjectId');
        assert.equal(stored.__v?._bsontype, 'Int32', '__v');
        assert.ok(stored.dateAdded instanceof Date);
        assert.ok(Array.isArray(stored.metadata.keywords) && Array.isArray(stored.metadata.categories ?? []));
        const again = await savesAgain(model, one._id);
        assert.deepEqual(again.toObject(), { ...one.toObject(), __v: again.__v });
    }
    return found;
}

test('a text hit is completed in document order, each sentence once, as one content document', async () => {
    page('/hit', `<!doctype html><title>BambiSleep reading</title><nav>Home Imprint</nav><main><h1>On bambisleep</h1>
        <p>Read the <a href="/f1">C++ file</a> and the <a href="/f2">new (2025</a> one.</p>
        <ul><li>First thing<ul><li>Nested thing<ul><li>Deep thing</li></ul></li></ul></li><li>Second thing</li></ul>
        <blockquote>Quoted words.</blockquote><pre>code();</pre><p>Last words.</p><script>never()</script></main>`);
    const { stored } = await isSound(await submit('text', '/hit'));
    assert.equal(stored.status, 'completed');
    const { text, image, video } = stored.results;
    assert.deepEqual({ image, video }, { image: emptyResults.image, video: emptyResults.video });
    assert.equal(text.contentFound, true);
    const order = ['On bambisleep', 'C++ file', 'new (2025', 'First thing', 'Nested thing', 'Deep thing', 'Second thing', 'Quoted words.',
        'code();', 'Last words.'];
    const places = order.map(words => text.content.indexOf(words));
    assert.ok(places.every((at, i) => at >= 0 && (i === 0 || at > places[i - 1])), `${places}\n${text.content}`);
    for (const words of order) assert.equal(text.content.split(words).length, 2, `"${words}" once in\n${text.content}`);
    assert.doesNotMatch(text.content, /never|Imprint/);
    const [content, ...others] = await soundContents(app.BambiContent, { url: `${site}/hit` });
    assert.equal(others.length, 0);
    assert.deepEqual([content.type, content.fileType, content.source, content.title], ['text', 'html', 'web', 'BambiSleep reading']);
    assert.equal(content.content, text.content);
    assert.equal(await app.db.collection('pages').countDocuments(), 0, 'no page of a crawl');
});

test('the same address again stores no second content document', async () => {
    const { stored } = await isSound(await submit('text', '/hit'));
    assert.equal(stored.results.text.contentFound, true);
    assert.equal(await app.BambiContent.countDocuments({ url: `${site}/hit` }), 1);
});

test('a page without a title is stored as one that the application can save', async () => {
    page('/untitled', '<p>words about bambisleep');
    await isSound(await submit('text', '/untitled'));
    assert.equal((await soundContents(app.BambiContent, { url: `${site}/untitled` })).length, 1);
});

for (const [name, type, body] of [
    ['a miss', 'text/html', '<title>Other</title><p>Nothing of what was looked for.'],
    ['an empty body', 'text/html', ''],
    ['a body of blanks', 'text/html', ' \n\t '],
    ['a PDF', 'application/pdf', '%PDF-1.4 bambisleep'],
    ['a picture', 'image/png', Buffer.from('89504e470d0a1a0a', 'hex')],
]) test(`${name} is completed without content`, async () => {
    const path = `/${name.replaceAll(' ', '-')}`;
    page(path, body, type);
    const { stored } = await isSound(await submit('text', path));
    assert.equal(stored.status, 'completed', JSON.stringify(stored.gleaner));
    assert.deepEqual(stored.results, emptyResults);
    assert.equal(await app.BambiContent.countDocuments({ url: site + path }), 0);
});

test('images are absolute and unique, and the same page again adds none', async () => {
    const plain = Array.from({ length: 30 }, (_, i) => `<img src="img/${i}.png" alt="picture ${i}">`).join('');
    page('/deep/images', `<title>Pictures</title>${plain}<img src="img/3.png"><img src="//127.0.0.1:1/protocol.png">
        <img src="data:image/gif;base64,R0lGODlhAQABAAAAACw="><img data-src="/lazy.jpg" src="data:image/gif;base64,AA">
        <img srcset="/small.png 1x, /large.png 2x"><picture><source srcset="/source.webp"><img src="/picture.png"></picture>
        <meta property="og:image" content="/og.png">`);
    const { stored } = await isSound(await submit('image', '/deep/images'));
    assert.equal(stored.status, 'completed', JSON.stringify(stored.gleaner));
    assert.equal(stored.results.image.contentFound, true);
    assert.deepEqual(stored.results.text, emptyResults.text);
    const urls = stored.results.image.content.map(image => image.url);
    const expected = [...Array.from({ length: 30 }, (_, i) => `${site}/deep/img/${i}.png`), 'http://127.0.0.1:1/protocol.png',
        ...['lazy.jpg', 'small.png', 'large.png', 'source.webp', 'picture.png', 'og.png'].map(name => `${site}/${name}`)];
    for (const url of expected) assert.ok(urls.includes(url), `${url} in ${urls.join('\n')}`);
    assert.equal(new Set(urls).size, urls.length);
    assert.ok(urls.every(url => /^https?:\/\//.test(url)));
    assert.equal(stored.results.image.content.find(image => image.url.endsWith('/img/7.png')).metadata.description, 'picture 7');
    const before = await soundContents(app.ImageContent, { source: `${site}/deep/images` });
    assert.deepEqual(before.map(image => image.url).sort(), urls.sort());
    await isSound(await submit('image', '/deep/images'));
    assert.equal(await app.ImageContent.countDocuments({ source: `${site}/deep/images` }), before.length);
});

test('videos are stored and shown', async () => {
    page('/videos', `<title>Films</title><video src="/one.mp4" title="One"></video><video><source src="two.webm"></video>
        <iframe src="https://www.youtube.com/embed/dQw4w9WgXcQ" title="Player"></iframe><iframe src="/advert.html"></iframe>
        <meta property="og:video" content="/og.mp4">`);
    const { stored } = await isSound(await submit('video', '/videos'));
    assert.equal(stored.status, 'completed', JSON.stringify(stored.gleaner));
    assert.equal(stored.results.video.contentFound, true);
    const shown = stored.results.video.content.map(video => video.embedUrl ?? video.url);
    for (const url of [`${site}/one.mp4`, `${site}/two.webm`, `${site}/og.mp4`]) assert.ok(shown.includes(url), `${url} in ${shown}`);
    assert.ok(shown.some(url => /youtube.*dQw4w9WgXcQ/.test(url)), shown.join('\n'));
    assert.ok(!shown.some(url => url.includes('advert')));
    assert.ok(stored.results.video.content.every(video => typeof video.title === 'string' && video.title !== ''));
    const documents = await soundContents(app.BambiVideoContent, {});
    assert.equal(documents.length, shown.length);
});

test('older submissions say scrapeType, and may lack counters, comments and results', async () => {
    page('/older', '<title>Old</title><p>bambisleep of old');
    const { insertedId } = await app.db.collection('scrapersubmissions').insertOne(
        { scrapeType: 'text', url: `${site}/older`, bambiname: 'tester', status: 'pending', submittedAt: new Date() });
    const { document } = await ended({ _id: insertedId, url: '/older' });
    assert.equal(document.status, 'completed');
    assert.equal(document.results.text.contentFound, true);
    document.comments.push({ bambiname: 'tester', text: 'still alive' });
    document.upvotes += 1;
    await document.save();
    const again = await savesAgain(app.ScraperSubmission, insertedId);
    assert.deepEqual([again.upvotes, again.comments.length, again.results.image.content.length], [1, 1, 0]);
});

const failures = {
    'a missing page': ['/missing', 'http_4xx', /404/],
    'a forbidden page': ['/forbidden', 'http_4xx', /403/],
    'a broken server': ['/broken', 'http_5xx', /500/],
    'an unknown host': ['http://no-such-host.invalid/', 'dns', /no-such-host/],
    'a closed port': ['http://127.0.0.1:1/', 'connect', /./],
    'a redirect loop': ['/loop', 'redirect_loop', /./],
    'a silent server': ['/silent', 'timeout', /./],
    'an address that is no URL': ['not a url', null, /./],
    'a forbidden address': ['http://192.168.0.1/', null, /./],
    'another scheme': ['ftp://127.0.0.1/x', null, /./],
};
for (const [name, [path, errorClass, reason]] of Object.entries(failures)) test(`${name} fails with its class and reason`, async () => {
    page('/forbidden', 'go away', 'text/html', 403);
    page('/broken', 'oops', 'text/html', 500);
    rig.pages.set('/loop', (request, response) => response.writeHead(302, { location: '/loop' }).end());
    rig.pages.set('/silent', () => {});
    const url = path.startsWith('/') ? site + path : path;
    const { stored } = await isSound(await app.ScraperSubmission.create({ type: 'text', url, bambiname: 'tester' }));
    assert.equal(stored.status, 'failed');
    assert.deepEqual(stored.results, emptyResults);
    if (errorClass !== null) assert.equal(stored.gleaner.class, errorClass);
    assert.ok(stored.gleaner.class.length > 0);
    assert.match(stored.gleaner.reason, reason);
});

test('a type without a module fails with a reason, and the application may submit it again', async () => {
    const { insertedId } = await app.db.collection('scrapersubmissions').insertOne(
        { type: 'nonsense', url: `${site}/hit`, bambiname: 'tester', status: 'pending', submittedAt: new Date() });
    const { raw: stored } = await ended({ _id: insertedId, url: '/hit' });
    assert.equal(stored.status, 'failed');
    assert.match(stored.gleaner.reason, /module/);
    const document = await app.ScraperSubmission.findById(insertedId);
    document.set({ type: 'text', status: 'pending' });
    await document.save();
    const { stored: second } = await isSound(document);
    assert.equal(second.status, 'completed');
    assert.equal(second.gleaner.reason, undefined, 'the old reason is gone');
    assert.equal(Number(second.gleaner.deliveries), 1, 'a new life');
});
