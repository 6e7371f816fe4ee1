"""Templates as people and Bicep write them, and what is read of them."""

import json
from collections.abc import Mapping
from typing import Any

from guards.cli.positions import parse
from guards.cli.template import Note, TemplateResource, resources

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DISKS = "Microsoft.Compute/disks"
REGISTRIES = "Microsoft.ContainerRegistry/registries"
DEPLOYMENTS = "Microsoft.Resources/deployments"

HAND_WRITTEN = """{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  // values that differ by environment
  "parameters": {
    "prefix": { "type": "string", "defaultValue": "ledger" },
    "networkAccess": {
      "type": "string",
      "defaultValue": "DenyAll",
      "allowedValues": [ "DenyAll", "AllowPrivate", "AllowAll" ]
    }
  },
  "variables": {
    "registryName": "[concat(parameters('prefix'), 'acr')]",
    /* exports only ever go
       through the pipeline */
    "policies": {
      "exportPolicy": { "status": "enabled" },
      "quarantinePolicy": { "status": "[if(empty(parameters('prefix')), 'a', 'disabled')]" }
    }
  },
  "resources": [
    {
      "type": "Microsoft.ContainerRegistry/registries",
      "apiVersion": "2023-07-01",
      "name": "[variables('registryName')]",
      "location": "[resourceGroup().location]",
      "sku": { "name": "Premium" },
      "properties": {
        "adminUserEnabled": false,
        "policies": "[variables('policies')]",
        "publicNetworkAccess": "Disabled"
      },
      "resources": [
        {
          "type": "webhooks",
          "apiVersion": "2023-07-01",
          "name": "onpush",
          "dependsOn": [ "[variables('registryName')]" ],
          "properties": { "actions": [ "push" ] }
        }
      ]
    },
    {
      "type": "Microsoft.Compute/disks",
      "apiVersion": "2023-04-02",
      "name": "[format('{0}-data', parameters('prefix'))]",
      "copy": { "name": "disks", "count": 3 },
      "properties": {
        "diskSizeGB": 64,
        "networkAccessPolicy": "[parameters('networkAccess')]",
        "publicNetworkAccess": "Disabled" // see the wiki
      }
    }
  ]
}
"""

BICEP = """{
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "languageVersion": "2.0",
  "contentVersion": "1.0.0.0",
  "metadata": {
    "_generator": { "name": "bicep", "version": "0.30.23.60470", "templateHash": "123" }
  },
  "parameters": {
    "location": { "type": "string", "defaultValue": "[resourceGroup().location]" },
    "isProd": { "type": "bool", "defaultValue": true }
  },
  "resources": {
    "vault": {
      "existing": true,
      "type": "Microsoft.KeyVault/vaults",
      "apiVersion": "2023-07-01",
      "name": "kv"
    },
    "snapshot": {
      "condition": "[not(parameters('isProd'))]",
      "type": "Microsoft.Compute/snapshots",
      "apiVersion": "2023-04-02",
      "name": "before-release",
      "properties": {}
    },
    "acr": {
      "type": "Microsoft.Resources/deployments",
      "apiVersion": "2022-09-01",
      "name": "[format('acr-{0}', uniqueString(deployment().name))]",
      "properties": {
        "expressionEvaluationOptions": { "scope": "inner" },
        "mode": "Incremental",
        "parameters": {
          "location": { "value": "[parameters('location')]" },
          "acrSku": { "value": "[if(parameters('isProd'), 'Premium', 'Basic')]" },
          "publicNetworkAccess": "[if(parameters('isProd'), createObject('value', 'Disabled'), \
createObject('value', null()))]"
        },
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
          "languageVersion": "2.0",
          "contentVersion": "1.0.0.0",
          "parameters": {
            "location": { "type": "string" },
            "acrSku": { "type": "string", "defaultValue": "Standard" },
            "exportPolicyStatus": { "type": "string", "defaultValue": "disabled" },
            "publicNetworkAccess": { "type": "string", "nullable": true },
            "lock": { "type": "object", "nullable": true }
          },
          "resources": {
            "registry": {
              "type": "Microsoft.ContainerRegistry/registries",
              "apiVersion": "2023-06-01-preview",
              "name": "contoso",
              "location": "[parameters('location')]",
              "sku": { "name": "[parameters('acrSku')]" },
              "properties": {
                "policies": {
                  "exportPolicy": "[if(equals(parameters('acrSku'), 'Premium'), \
createObject('status', parameters('exportPolicyStatus')), null())]"
                },
                "publicNetworkAccess": "[if(not(empty(parameters('publicNetworkAccess'))), \
parameters('publicNetworkAccess'), null())]"
              }
            },
            "registry_lock": {
              "condition": "[not(empty(coalesce(parameters('lock'), createObject())))]",
              "type": "Microsoft.Authorization/locks",
              "apiVersion": "2020-05-01",
              "name": "lock",
              "properties": { "level": "CanNotDelete" }
            }
          }
        }
      }
    }
  }
}
"""


def disk(name: str = "ledger", **more: Any) -> dict[str, Any]:
    """A disk of a template; closed unless told otherwise."""
    closed = {"networkAccessPolicy": "DenyAll", "publicNetworkAccess": "Disabled"}
    return {"type": DISKS, "apiVersion": "2023-04-02", "name": name, "properties": closed, **more}


def document(*listed: Any, **sections: Any) -> dict[str, Any]:
    """A template with these resources."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"p": {"type": "string"}, "off": {"type": "bool", "defaultValue": False}},
        "resources": list(listed),
        **sections,
    }


def nested(template: Any, **properties: Any) -> dict[str, Any]:
    """A deployment within a template."""
    return {
        "type": DEPLOYMENTS,
        "apiVersion": "2022-09-01",
        "name": "inside",
        "properties": {"mode": "Incremental", "template": template, **properties},
    }


INNER = {"expressionEvaluationOptions": {"scope": "Inner"}}


def read(
    template: Any, parameters: Mapping[str, Any] | None = None
) -> tuple[list[TemplateResource], list[Note]]:
    """What is read of a template, given as text or as JSON."""
    text = template if isinstance(template, str) else json.dumps(template, indent=2)
    return resources(parse(text), parameters or {})


def one(template: Any, parameters: Mapping[str, Any] | None = None) -> TemplateResource:
    """The only resource of a template without notes."""
    (found,), notes = read(template, parameters)
    assert notes == []
    return found


def line(text: str, after: int, wanted: str) -> int:
    """The line of the first row with these words behind line `after`."""
    rows = text.split("\n")
    return next(i for i, row in enumerate(rows, 1) if i > after and wanted in row)
