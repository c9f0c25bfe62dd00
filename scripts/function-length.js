/**
 * The ESLint rule on long functions. A function counts the lines of its own: those of functions within it
 * are counted there. So a factory that returns a handful of small closures is as good as a class.
 */

/** Lines from first to last, without blank ones and comments. */
function codeLines(sourceCode, node) {
  const lines = new Set();
  for (const token of sourceCode.getTokens(node)) {
    for (let line = token.loc.start.line; line <= token.loc.end.line; line++) lines.add(line);
  }
  return lines;
}

export const functionLength = {
  meta: {
    type: 'suggestion',
    docs: { description: 'functions are short' },
    schema: [{ type: 'object', properties: { max: { type: 'integer' } } }],
  },
  create(context) {
    const max = context.options[0]?.max ?? 50;
    const stack = [];
    const enter = (node) => stack.push({ node, inner: new Set() });
    const leave = () => {
      const { node, inner } = stack.pop();
      const lines = codeLines(context.sourceCode, node);
      const own = [...lines].filter((line) => !inner.has(line)).length;
      if (own > max) {
        const message = `This function has ${own} lines of its own; at most ${max} are allowed.`;
        context.report({ loc: node.loc.start, message });
      }
      const outer = stack.at(-1);
      for (const line of lines) outer?.inner.add(line);
    };
    const functions = 'FunctionDeclaration, FunctionExpression, ArrowFunctionExpression';
    return { [functions]: enter, [`:matches(${functions}):exit`]: leave };
  },
};
