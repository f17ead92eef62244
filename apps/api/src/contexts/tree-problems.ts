import { NoSuchBeginning, TreeIncomplete } from '@kiln/blobs';
import { TreeCutOff, TreeFault, TreePartMissing } from '@kiln/trees';
import { ApiProblem, fieldProblem } from '../http/api-problem.ts';
import { CutOff } from '../http/multipart.ts';

/** Maps errors about trees to what the client gets; others stay as they are. */
export function treeProblem(error: unknown): unknown {
  if (error instanceof CutOff) return cutOff(error.message);
  if (error instanceof TreeCutOff) return cutOff(error.got);
  if (error instanceof TreeFault) {
    const field = error.path === undefined ? 'body' : ['body', error.path];
    return fieldProblem('context_invalid', field, error.got, error.expected);
  }
  if (error instanceof TreeIncomplete) {
    const got = `the directory ${error.directory}, which names the ${error.kind} ${error.digest}`;
    return new ApiProblem('tree_incomplete', error.message, {
      errors: [{ field: 'body', got, expected: `the ${error.kind} ${error.digest} before it` }],
    });
  }
  if (error instanceof NoSuchBeginning) {
    const { message, digest, offset, storedBytes } = error;
    const got = `the file ${digest} from byte ${offset} on`;
    return new ApiProblem('tree_incomplete', message, {
      errors: [{ field: 'body', got, expected: storedBytes > 0 ? `at most byte ${storedBytes}` : 'the whole file' }],
    });
  }
  if (error instanceof TreePartMissing)
    return fieldProblem('tree_part_not_found', 'body', error.digest, 'the digest of a stored directory or file');
  return error;
}

function cutOff(what: string): ApiProblem {
  return new ApiProblem('context_incomplete', `${what}; parts that arrived whole are stored`, {
    errors: [{ field: 'body', got: what, expected: 'the whole stream of parts' }],
  });
}
