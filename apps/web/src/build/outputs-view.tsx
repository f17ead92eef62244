import { type BuildView, bytes } from '@kiln/contracts';
import { isActive } from '../ui/build-words.ts';
import { Message } from '../ui/message.tsx';

type Result = NonNullable<BuildView['result']>;
type Image = NonNullable<Result['targets']>[string];

/** What a build made. */
export function OutputsView({ build }: { readonly build: BuildView }) {
  const { result, links } = build;
  if (!result || Object.keys(result).length === 0) {
    return <Message title={isActive(build) ? 'Nothing has been made yet.' : 'This build made nothing that is kept.'} />;
  }
  const images = result.targets ? Object.entries(result.targets) : [['', result] as const];
  return (
    <>
      {images.map(([name, image]) => (
        <ImageFacts key={name} name={name} image={image} />
      ))}
      {result.notPushed && result.notPushed.length > 0 && (
        <Message tone="warn" title="Not pushed">
          {result.notPushed.join(', ')}
        </Message>
      )}
      {result.artifact && (
        <dl className="facts">
          <div>
            <dt>Artifact</dt>
            <dd>
              {bytes(result.artifact.sizeBytes)} <code>{result.artifact.digest}</code>
            </dd>
          </div>
          {links.artifact && (
            <div>
              <dt>Download</dt>
              <dd>
                <a href={links.artifact.slice(1)} download={`${build.id}.tar`}>
                  {build.id}.tar
                </a>
              </dd>
            </div>
          )}
        </dl>
      )}
    </>
  );
}

function ImageFacts({ name, image }: { readonly name: string; readonly image: Image }) {
  const { digest, manifest, imageBytes, pushed = [], loaded = [] } = image;
  const rows: [string, string][] = [
    ...(name ? [['Target', name] as [string, string]] : []),
    ...(digest ? [['Digest', digest] as [string, string]] : []),
    ...(imageBytes === undefined ? [] : [['Size', bytes(imageBytes)] as [string, string]]),
    ...(manifest ? [['Manifest', `${manifest.mediaType}, ${bytes(manifest.sizeBytes)}`] as [string, string]] : []),
    ...pushed.map((tag): [string, string] => ['Pushed', tag]),
    ...loaded.map((tag): [string, string] => ['Loaded', tag]),
  ];
  if (rows.length === 0) return null;
  return (
    <dl className="facts">
      {rows.map(([label, value]) => (
        <div key={`${label} ${value}`}>
          <dt>{label}</dt>
          <dd>
            <code>{value}</code>
          </dd>
        </div>
      ))}
    </dl>
  );
}
