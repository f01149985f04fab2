/** What the tidy tests read: the files of the tree, their imports, their functions. */
import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** relative to the root, with forward slashes */
  path: string;
  text: string;
}

export interface Import {
  line: number;
  /** a path relative to the root, or a module's name */
  target: string;
  /** gone at run time */
  typeOnly: boolean;
  names: string[];
  /** `import()` */
  onDemand: boolean;
}

/** A place in the tree that breaks a rule; printed as it is. */
export type Violation = string;

export function at({ path }: SourceFile, line: number, what: string): Violation {
  return `${path}:${line}: ${what}`;
}

/** All files with one of the endings under the directories, those that do not exist left out. */
export function filesUnder(directories: readonly string[], endings: RegExp): SourceFile[] {
  return directories
    .flatMap((directory) => namesUnder(directory))
    .filter((path) => endings.test(path))
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

function namesUnder(directory: string): string[] {
  let entries;
  try {
    entries = readdirSync(join(ROOT, directory), { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .filter(({ name }) => !['node_modules', 'build', 'dist'].includes(name))
    .flatMap((entry) => {
      const path = directory === '.' ? entry.name : `${directory}/${entry.name}`;
      return entry.isDirectory() ? namesUnder(path) : [path];
    })
    .sort();
}

/** The program itself: what ships. */
export const engineFiles = filesUnder(['engine', 'workers', 'cli', 'server', 'bench'], /\.ts$/);
export const testFiles = filesUnder(['test'], /\.ts$/);
export const nativeFiles = filesUnder(['native/src', 'native/test'], /\.(cc|h)$/);
export const scriptFiles = filesUnder(['scripts', 'native'], /\.(mjs|cjs)$/);

const parsed = new Map<string, ts.SourceFile>();

export function parse({ path, text }: SourceFile): ts.SourceFile {
  let tree = parsed.get(path);
  if (tree === undefined) {
    tree = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
    parsed.set(path, tree);
  }
  return tree;
}

export function lineOf(tree: ts.SourceFile, position: number): number {
  return tree.getLineAndCharacterOfPosition(position).line + 1;
}

/** Calls `visit` for every node below `node`. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  ts.forEachChild(node, (child) => {
    visit(child);
    walk(child, visit);
  });
}

/** Imports, re-exports and `import()` of a file. */
export function importsOf(file: SourceFile): Import[] {
  const tree = parse(file);
  const found: Import[] = [];
  const add = (
    node: ts.Node,
    module: ts.Node,
    typeOnly: boolean,
    names: string[],
    onDemand = false,
  ): void => {
    if (!ts.isStringLiteral(module)) return;
    const target = module.text.startsWith('.')
      ? normalize(join(dirname(file.path), module.text))
      : module.text;
    found.push({ line: lineOf(tree, node.getStart()), target, typeOnly, names, onDemand });
  };
  walk(tree, (node) => {
    if (ts.isImportDeclaration(node)) {
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
      add(node, node.moduleSpecifier, typeOnly, namesOf(node.importClause));
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier) {
      add(node, node.moduleSpecifier, node.isTypeOnly, []);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      add(node, node.arguments[0]!, false, [], true);
    } else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
      add(node, node.argument.literal, true, []);
    }
  });
  return found;
}

function namesOf(clause: ts.ImportClause | undefined): string[] {
  const bindings = clause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return [];
  return bindings.elements.map((element) => (element.propertyName ?? element.name).text);
}

/** Is `node` the member `object.member` of a global? */
export function isMember(node: ts.Node, object: string, member: string): boolean {
  return (
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === object &&
    node.name.text === member
  );
}
