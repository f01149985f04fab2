/** Functions and their lengths, in TypeScript by its own parser, in C++ by its formatting. */
import ts from 'typescript';
import { lineOf, parse, walk, type SourceFile } from './tree.ts';

export interface FunctionSpan {
  line: number;
  lines: number;
}

/** What only lists tests is a table of contents, not a function: the tests in it are measured. */
function isContainer(node: ts.Node): boolean {
  if (ts.isFunctionDeclaration(node)) return /^describe[A-Z]/.test(node.name?.text ?? '');
  const call = node.parent;
  if (!ts.isCallExpression(call) || !(call.arguments as readonly ts.Node[]).includes(node))
    return false;
  return call.expression.getText().split('.')[0] === 'describe';
}

export function typescriptFunctions(file: SourceFile): FunctionSpan[] {
  const tree = parse(file);
  const found: FunctionSpan[] = [];
  walk(tree, (node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || !node.body || isContainer(node)) return;
    const line = lineOf(tree, node.getStart());
    found.push({ line, lines: lineOf(tree, node.end) - line + 1 });
  });
  return found;
}

const CONTROL =
  /^(if|for|while|switch|else|do|try|catch|namespace|class|struct|union|enum|extern)\b/;

/**
 * A brace that ends a line opens a block; the text since the last statement says of what. It is a
 * function if that text has an argument list and is no control statement, and if it is not inside
 * another function (lambdas count with the function they are in). This holds for what clang-format
 * writes, which is all there is here.
 */
export function cppFunctions({ text }: SourceFile): FunctionSpan[] {
  const found: FunctionSpan[] = [];
  const open: { line: number; isFunction: boolean }[] = [];
  let header = '';
  let headerLine = 0;
  const lines = withoutStringsAndComments(text).split('\n');
  for (const [index, full] of lines.entries()) {
    const line = full.trim();
    if (line === '' || line.startsWith('#')) continue;
    if (header === '') headerLine = index + 1;
    header += ` ${line}`;
    let depth = count(line, '{') - count(line, '}');
    for (; depth < 0; depth++) {
      const block = open.pop();
      if (block?.isFunction) found.push({ line: block.line, lines: index + 2 - block.line });
    }
    for (; depth > 0; depth--) {
      const inside = open.some(({ isFunction }) => isFunction);
      open.push({ line: headerLine, isFunction: !inside && isFunctionHeader(header.trim()) });
    }
    if (/[;{}:]$/.test(line)) header = '';
  }
  return found;
}

function isFunctionHeader(header: string): boolean {
  if (CONTROL.test(header) || !header.includes('(')) return false;
  return !/=\s*\{$/.test(header) && !/^(using|typedef)\b/.test(header);
}

function count(line: string, character: string): number {
  return line.split(character).length - 1;
}

/** Their lines stay, so that line numbers do. */
function withoutStringsAndComments(text: string): string {
  const pattern = /"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+'|\/\/[^\n]*|\/\*[\s\S]*?\*\//g;
  return text.replace(pattern, (match) => match.replace(/[^\n]/g, ''));
}
