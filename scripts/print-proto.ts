import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  type FileDescriptorProto,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";

/**
 * Prints the structure of a proto2 file as source text: messages, enums, fields, oneofs and extensions. Options are left
 * out, because the text serves only to compile other files against it.
 */
export function printProto(file: FileDescriptorProto): string {
  const extensions = Map.groupBy(file.extension, (field) => field.extendee);
  return [
    'syntax = "proto2";',
    `package ${file.package};`,
    ...file.dependency.map((path) => `import "${path}";`),
    ...file.messageType.flatMap(printMessage),
    ...file.enumType.flatMap(printEnum),
    ...[...extensions].flatMap(([extendee, fields]) => block(`extend ${extendee}`, fields.map(printField))),
    "",
  ].join("\n");
}

function printMessage(message: DescriptorProto): string[] {
  const loose = message.field.filter((field) => !isInOneof(field));
  const oneofs = message.oneofDecl.map((oneof, index) =>
    block(
      `oneof ${oneof.name}`,
      message.field.filter((field) => isInOneof(field) && field.oneofIndex === index).map(printField),
    ),
  );
  return block(`message ${message.name}`, [
    ...message.extensionRange.map((range) => `extensions ${range.start} to ${range.end - 1};`),
    ...message.nestedType.flatMap(printMessage),
    ...message.enumType.flatMap(printEnum),
    ...loose.map(printField),
    ...oneofs.flat(),
  ]);
}

function printEnum(definition: EnumDescriptorProto): string[] {
  return block(
    `enum ${definition.name}`,
    definition.value.map((value) => `${value.name} = ${value.number};`),
  );
}

function printField(field: FieldDescriptorProto): string {
  const label = isInOneof(field) ? "" : `${Label[field.label].toLowerCase()} `;
  return `${label}${field.typeName || Type[field.type].toLowerCase()} ${field.name} = ${field.number};`;
}

function isInOneof(field: FieldDescriptorProto): boolean {
  return Object.hasOwn(field, "oneofIndex");
}

function block(head: string, lines: string[]): string[] {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), "}"];
}
