import { createRegistry, type DescExtension, type DescFile, type DescMessage, toBinary } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";

/** The protobuf files of some services and all that they import, to look things up in. */
export interface Descriptors {
  /** A file by its name, such as `latchkey/v1/token.proto`. */
  fileByName(name: string): DescFile | undefined;
  /** The file that declares a fully-qualified symbol: a type, service, method, field, enum value or extension. */
  fileOfSymbol(symbol: string): DescFile | undefined;
  extension(typeName: string, number: number): DescExtension | undefined;
  /** The numbers of all extensions of a message, or undefined if there is no such message. */
  extensionNumbers(typeName: string): number[] | undefined;
}

export function indexDescriptors(roots: readonly DescFile[]): Descriptors {
  const files = withImports(roots);
  const names = new Map(files.map((file) => [nameOf(file), file]));
  const symbols = new Map(files.flatMap((file) => symbolsOf(file).map((symbol) => [symbol, file] as const)));
  const registry = createRegistry(...files);
  const extensions = files.flatMap(extensionsOf);

  return {
    fileByName: (name) => names.get(name),
    fileOfSymbol: (symbol) => symbols.get(symbol),
    extension(typeName, number) {
      return extensions.find((found) => found.extendee.typeName === typeName && found.number === number);
    },
    extensionNumbers(typeName) {
      if (!registry.getMessage(typeName)) return undefined;
      return extensions.filter((found) => found.extendee.typeName === typeName).map((found) => found.number);
    },
  };
}

/** The files and everything they import, each once; the given ones come first. */
export function withImports(roots: readonly DescFile[]): DescFile[] {
  const files = new Set(roots);
  for (const file of files) for (const imported of file.dependencies) files.add(imported);
  return [...files];
}

const encoded = new WeakMap<DescFile, Uint8Array>();

/** The file as a binary `google.protobuf.FileDescriptorProto`. */
export function encodeFile(file: DescFile): Uint8Array {
  const bytes = encoded.get(file) ?? toBinary(FileDescriptorProtoSchema, file.proto);
  encoded.set(file, bytes);
  return bytes;
}

function nameOf(file: DescFile): string {
  return file.proto.name;
}

function extensionsOf(file: DescFile): DescExtension[] {
  return [...nestedTypes(file)].filter((type) => type.kind === "extension");
}

function symbolsOf(file: DescFile): string[] {
  return [...nestedTypes(file)].flatMap((type) => {
    switch (type.kind) {
      case "message":
        return [type.typeName, ...membersOf(type)];
      case "service":
        return [type.typeName, ...type.methods.map((method) => `${type.typeName}.${method.name}`)];
      case "enum":
        // The values of an enum are named in the scope around it.
        return [type.typeName, ...type.values.map((value) => scopeOf(type.typeName) + value.name)];
      case "extension":
        return [type.typeName];
    }
    return [];
  });
}

function membersOf(message: DescMessage): string[] {
  return [...message.fields, ...message.oneofs].map((member) => `${message.typeName}.${member.name}`);
}

function scopeOf(typeName: string): string {
  return typeName.slice(0, typeName.lastIndexOf(".") + 1);
}
