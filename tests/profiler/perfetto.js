// SPDX-License-Identifier: MIT
/*
 * perfetto.js WEB_DIST TRACE: what Perfetto itself makes of a trace. WEB_DIST has the viewer's engine_bundle.js, a web worker
 * around its trace processor (WebAssembly), which gets here the little of a worker that it looks for. Requests and
 * results are protobuf (perfetto/trace_processor.proto); a dozen fields are needed. Prints JSON: what it complains of,
 * spans by category and depth, threads.
 */
'use strict';
const fs = require('fs'), path = require('path');
const dir = path.resolve(process.argv[2]), trace = fs.readFileSync(process.argv[3]);
const exit = process.exit.bind(process), stdout = process.stdout;

function die(why)
{
	console.error(`perfetto.js: ${why}`);
	exit(1);
}

/* ---- protobuf */

function varint(n)
{
	const bytes = [];

	for (; n > 127; n = Math.floor(n / 128))
		bytes.push(n % 128 | 128);
	return Buffer.from([...bytes, n]);
}

/* Fields [number, value]: numbers are varints, everything else is preceded by its length. */
function message(...fields)
{
	return Buffer.concat(fields.flatMap(([field, value]) => typeof value === 'number' ?
		[varint(field * 8), varint(value)] : [varint(field * 8 + 2), varint(value.length), Buffer.from(value)]));
}

class Reader {
	constructor(bytes) { this.bytes = bytes; this.at = 0; }
	more() { return this.at < this.bytes.length; }
	take(n) { this.at += n; return this.bytes.subarray(this.at - n, this.at); }
	varint()
	{
		let n = 0n, shift = 0n, byte;

		do {
			byte = this.bytes[this.at++];
			n |= BigInt(byte & 127) << shift;
			shift += 7n;
		} while (byte & 128);
		return Number(BigInt.asIntN(64, n));
	}
}

/* The values of each field: numbers, or bytes. */
function parse(bytes)
{
	const reader = new Reader(bytes), fields = {};

	while (reader.more()) {
		const key = reader.varint(), type = key % 8;

		(fields[Math.floor(key / 8)] ||= []).push(type === 0 ? reader.varint() : reader.take(type === 1 ? 8 : reader.varint()));
	}
	return fields;
}

function packed(bytes, next)
{
	const reader = new Reader(bytes || Buffer.alloc(0)), values = [];

	while (reader.more())
		values.push(next(reader));
	return values;
}

/* ---- the worker */

const arrived = [];
const port = { postMessage: data => arrived.push(Buffer.from(data)) };

function start()
{
	globalThis.self = globalThis;
	globalThis.location = { href: `file://${dir}/engine_bundle.js`, protocol: 'file:', host: '' };
	globalThis.WorkerGlobalScope = function () {};
	globalThis.XMLHttpRequest = class {
		open(method, url) { this.file = path.join(dir, path.basename(url)); }
		send() { this.response = new Uint8Array(fs.readFileSync(this.file)).buffer; }
	};
	console.log = console.warn = console.info = () => {};
	/* Where there is a process it takes this for node, which it is not built for. */
	Object.defineProperty(globalThis, 'process', { value: undefined });
	(0, eval)(fs.readFileSync(path.join(dir, 'engine_bundle.js'), 'utf8'));
	globalThis.onmessage({ data: port });
}

const APPEND = 1, FINALIZE = 2, QUERY = 3;	/* TraceProcessorRpc.TraceProcessorMethod */
let sequence = 0;

/* TraceProcessorRpcStream.msg, one each way; a query may have several results. */
function call(request, ...fields)
{
	port.onmessage({ data: new Uint8Array(message([1, message([1, ++sequence], [2, request], ...fields)])) });
	const replies = arrived.splice(0).flatMap(bytes => parse(bytes)[1].map(parse));

	if (!replies.length || replies.some(reply => reply[5] || reply[4]))
		die(`request ${request}: ${replies.length ? replies[0][5] || 'refused' : 'no reply'}`);
	return replies;
}

/* Rows as arrays: QueryResult.CellsBatch has the types of all cells, and the values by type. */
function query(sql)
{
	const cells = [];
	let columns;

	for (const reply of call(QUERY, [103, message([1, sql])])) {
		const result = parse(reply[203][0]);

		if (result[2] && result[2][0].length)
			die(`${sql}: ${result[2][0]}`);
		columns ||= result[1].length;
		for (const batch of (result[3] || []).map(parse)) {
			const integers = packed(batch[2] && batch[2][0], r => r.varint());
			const texts = String(batch[5] ? batch[5][0] : '').split('\0');

			for (const type of packed(batch[1] && batch[1][0], r => r.varint()))
				cells.push(type === 2 ? integers.shift() : type === 4 ? texts.shift() : null);
		}
	}
	return Array.from({ length: cells.length / columns }, (_, i) => cells.slice(i * columns, (i + 1) * columns));
}

function main()
{
	const said = [call(APPEND, [101, trace])[0][201], call(FINALIZE)[0][212]].map(m => m ? parse(m[0]) : {});
	const errors = [said[0][2], said[1][1]].filter(e => e && e[0].length).map(e => String(e[0]));

	for (const [name, value] of query("select name, value from stats where value > 0 and severity != 'info'"))
		errors.push(`${name} ${value}`);
	stdout.write(JSON.stringify({
		errors,
		spans: query('select category, depth, count(*), sum(dur) from slice group by 1, 2 order by 2'),
		threads: query('select thread.name, process.name from thread join process using (upid) where thread.name is not null'),
	}) + '\n', () => exit(0));
}

start();
setTimeout(main, 0);		/* its own start is a chain of promises, which goes before */
