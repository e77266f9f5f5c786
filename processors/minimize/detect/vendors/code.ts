/**
 * Tokens of code hosts, package registries, CI and observability: name, format (see vendor_tokens.ts).
 */
export const code = `
github_pat                 ghp_{a36} crc                               gitleaks:github-pat
github_oauth_token         gho_{a36} crc                               gitleaks:github-oauth
github_user_token          ghu_{a36} crc                               gitleaks:github-app-token
github_server_token        ghs_{a36} crc                               gitleaks:github-app-token
github_refresh_token       ghr_{a36-76} crc                            trufflehog:github
github_fine_grained_pat    github_pat_{a22}_{a59}                      gitleaks:github-fine-grained-pat
github_jwt_server_token    ghs_eyJ{j80-600}                            trufflehog:github
gitlab_pat                 glpat-{t20}                                 gitleaks:gitlab-pat
gitlab_routable_pat        glpat-{t27-300}.{l2}.{l9}                   trufflehog:gitlab
gitlab_deploy_token        gldt-{t20}                                  gitleaks:gitlab-deploy-token
gitlab_routable_deploy     gldt-{t27-300}.{l2}.{l9}
gitlab_feed_token          glft-{t20}                                  gitleaks:gitlab-feed-token
gitlab_incoming_mail_token glimt-{t25}                                 gitleaks:gitlab-incoming-mail-token
gitlab_agent_token         glagent-{t50-1024}                          gitleaks:gitlab-kubernetes-agent-token
gitlab_oauth_secret        gloas-{t64}                                 gitleaks:gitlab-oauth-app-secret
gitlab_runner_token        glrt-{t20}                                  gitleaks:gitlab-runner-authentication-token
gitlab_routable_runner     glrt-t{d1}_{t20-27}                         gitleaks:gitlab-runner-authentication-token
gitlab_runner_registration GR1348941{t20-50}                           gitleaks:gitlab-rrt
gitlab_scim_token          glsoat-{t20-50}                             gitleaks:gitlab-scim-token
gitlab_trigger_token       glptt-{t40}                                 gitleaks:gitlab-ptt
gitlab_job_token           glcbt-{t20}                                 detect-secrets:gitlab_token
gitlab_numbered_job_token  glcbt-{a1-5}_{t20}                          gitleaks:gitlab-cicd-job-token
gitlab_feature_token       glffct-{t20}                                gitleaks:gitlab-feature-flag-client-token
gitlab_workspace_token     glwt-{t20}                                  seen:public-code
bitbucket_app_password     ATBB{t32}                                   noseyparker:bitbucket.1
bitbucket_access_token     ATCTT3xFfGN0{x150-260}                      trufflehog:atlassian
atlassian_api_token        ATATT3xFfG{x100-240}                        gitleaks:atlassian-api-token
sourcegraph_token          sgp_{H40}                                   gitleaks:sourcegraph-access-token
sourcegraph_instance_token sgp_{H16}_{H40}                             gitleaks:sourcegraph-access-token
sourcegraph_local_token    sgp_local_{H40}                             gitleaks:sourcegraph-access-token
sourcegraph_cody_token     slk_{h64}                                   trufflehog:sourcegraphcody
npm_token                  npm_{a36} crc                               gitleaks:npm-access-token
pypi_token                 pypi-AgEIcHlwaS5vcmc{t50-1000}              gitleaks:pypi-upload-token
pypi_test_token            pypi-AgENdGVzdC5weXBpLm9yZw{t50-1000}       detect-secrets:PypiTokenDetector
rubygems_key               rubygems_{h48}                              gitleaks:rubygems-api-token
crates_io_token            cio{a32}                                    noseyparker:cratesio.1
nuget_api_key              oy2{l43}                                    noseyparker:nuget.1
docker_pat                 dckr_pat_{t27}                              trufflehog:dockerhub
docker_org_token           dckr_oat_{t32}                              trufflehog:dockerhub
artifactory_token          cmVmdGtu{b40-80}                            trufflehog:artifactoryreferencetoken
artifactory_api_key        AKC{a10-80}                                 kingfisher:artifactory.1
artifactory_password       AP{H1}{a10-80}                              detect-secrets:artifactory
artifactory_reference      AKCp{a69}                                   gitleaks:artifactory-api-key
clojars_token              CLOJARS_{l60}                               gitleaks:clojars-api-token
packagist_token            packagist_ort_{h40-80}                      seen:public-code
packagist_update_token     packagist_out_{h40-80}                      seen:public-code
packagist_user_token       packagist_uut_{h40-80}                      seen:public-code
jsr_token                  jsrp_{a30-60}
jsr_device_token           jsrd_{a30-60}
deno_deploy_token          ddp_{a36}                                   trufflehog:deno
deno_deploy_org_token      ddo_{a36}
circleci_pat               CCIPAT_{a22}_{h40}                          trufflehog:circleci
circleci_project_token     CCIPRJ_{a22}_{h40}                          seen:public-code
buildkite_agent_token      bkaj_{t40}                                  betterleaks:buildkite
buildkite_user_token       bkua_{l40}                                  trufflehog:buildkite
buildkite_cluster_token    bkct_{t40-80}                               betterleaks:buildkite
jenkins_crumb_token        11{h32}                                     noseyparker:np.jenkins.1
harness_pat                pat.{t22}.{a24}.{a20}                       gitleaks:harness-api-key
harness_sat                sat.{t22}.{a24}.{a20}                       gitleaks:harness-api-key
sonar_user_token           squ_{h40}                                   gitleaks:sonar-api-token
sonar_project_token        sqp_{h40}                                   gitleaks:sonar-api-token
sonar_global_token         sqa_{h40}                                   gitleaks:sonar-api-token
snyk_token                 snyk_uat.{h8}.{j60-400}                     seen:public-code
snyk_service_token         snyk_sat.{h8}.{j60-400}                     seen:public-code
sentry_user_token          sntryu_{h64}                                gitleaks:sentry-user-token
sentry_org_token           sntrys_eyJ{B80-600}_{b43}                   gitleaks:sentry-org-token
sentry_app_token           sntrya_{h64}                                seen:public-code
sentry_integration_token   sntryi_{h64}                                seen:public-code
datadog_pat                ddpat_{a20-60}
newrelic_user_key          NRAK-{u27}                                  trufflehog:newrelicuserkey
newrelic_insert_key        NRII-{t32}                                  trufflehog:newrelicinsightsinsertkey
newrelic_browser_key       NRJS-{h19}                                  gitleaks:new-relic-browser-api-token
newrelic_query_key         NRIQ-{t32}                                  trufflehog:newrelicinsightsquerykey
newrelic_license_key       eu01xx{h34}                                 trufflehog:newreliclicensekey
newrelic_eu_license_key    eu01xx{H30}NRAL                             trufflehog:newreliclicensekey
grafana_service_token      glsa_{a32}_{H8}                             gitleaks:grafana-service-account-token
grafana_cloud_token        glc_{b32-400}                               gitleaks:grafana-cloud-api-token
grafana_legacy_key         eyJrIjoi{b60-400}                           gitleaks:grafana-api-key
honeycomb_ingest_key       hcaik_{l58}                                 seen:public-code
honeycomb_management_key   hcamk_{l58}
honeycomb_classic_key      hcxik_{l58}                                 seen:public-code
logfire_token              pylf_v1_{l2}_{a40-50}                       seen:public-code
axiom_api_token            xaat-{h8}-{h4}-{h4}-{h4}-{h12}              seen:public-code
axiom_personal_token       xapt-{h8}-{h4}-{h4}-{h4}-{h12}
pagerduty_key              u+{t18}                                     kingfisher:pagerduty.1
postman_key                PMAK-{a24}-{a34}                            titus:np.postman.1
postman_collection_key     PMAT-{u26}
readme_key                 rdme_{l70}                                  gitleaks:readme-api-token
launchdarkly_sdk_key       sdk-{h8}-{h4}-{h4}-{h4}-{h12}               trufflehog:launchdarkly
launchdarkly_api_key       api-{h8}-{h4}-{h4}-{h4}-{h12}               trufflehog:launchdarkly
launchdarkly_mobile_key    mob-{h8}-{h4}-{h4}-{h4}-{h12}               gitleaks:launchdarkly-access-token
posthog_personal_key       phx_{t41-60}                                betterleaks:posthog-personal-api-key
posthog_project_secret     phs_{a40-60}
figma_pat                  figd_{t40-44}                               trufflehog:figmapersonalaccesstoken
figma_oauth_token          figu_{t40-44}                               trufflehog:figmapersonalaccesstoken
notion_token               ntn_{a46}                                   gitleaks:notion-api-token
notion_legacy_token        secret_{a43}                                trufflehog:notion
linear_api_key             lin_api_{a40}                               gitleaks:linear-api-key
linear_oauth_token         lin_oauth_{h64}                             seen:public-code
asana_pat                  1/{d16}:{h32}                               kingfisher:asana.3
asana_v2_pat               2/{d16}/{d16}:{h32}                         trufflehog:asanapersonalaccesstoken
airtable_pat               pat{a14}.{h64}                              kingfisher:airtable.1
typeform_pat               tfp_{x40-64}                                trufflehog:typeform
contentful_pat             CFPAT-{t43}                                 trufflehog:contentfulpersonalaccesstoken
sanity_token               sk{a79-180}                                 trufflehog:sanity
gitlab_routable_pat_joined glpat-{t27-300}.{l9}                        gitleaks:gitlab-pat-routable
gitlab_routable_runner_key glrt-t{d1}_{t27-300}.{l9}                   gitleaks:gitlab-runner-authentication-token-routable
octopus_deploy_key         API-{u26}                                   gitleaks:octopus-deploy-api-key
intra42_client_secret      s-s4t2ud-{h64}                              gitleaks:intra42-client-secret
intra42_af_client_secret   s-s4t2af-{h64}                              gitleaks:intra42-client-secret
settlemint_app_token       sm_aat_{a16}                                gitleaks:settlemint-application-access-token
settlemint_personal_token  sm_pat_{a16}                                gitleaks:settlemint-personal-access-token
settlemint_service_token   sm_sat_{a16}                                gitleaks:settlemint-service-access-token
newrelic_admin_key         NRAA-{h27}                                  noseyparker:newrelic.4
dependency_track_key       odt_{a32}                                   noseyparker:dtrack.1
sourcegraph_named_token    sgp_{h16}_local_{h40}                       kingfisher:sourcegraph.2
circleci_long_pat          CCIPAT_{a22}_{l40}                          trufflehog:circleci
segment_public_api_token   sgp_{a64}                                   noseyparker:segment.1
bcrypt_hash                2a\${d2}\${c53}                             noseyparker:pwhash.2
bcrypt_b_hash              2b\${d2}\${c53}                             noseyparker:pwhash.2
bcrypt_y_hash              2y\${d2}\${c53}                             noseyparker:pwhash.2
md5_crypt_hash             1\${c1-8}\${c22}
sha256_crypt_hash          5\${c1-16}\${c43}                           noseyparker:pwhash.3
sha512_crypt_hash          6\${c1-16}\${c86}                           noseyparker:pwhash.4
sha512_rounds_hash         6$rounds={d4-9}\${c1-16}\${c86}             noseyparker:pwhash.4
sha256_rounds_hash         5$rounds={d4-9}\${c1-16}\${c43}             noseyparker:pwhash.3
yescrypt_hash              y\${c2-12}\${c1-86}\${c43}
apache_md5_hash            apr1\${c1-8}\${c22}                        seen:public-code
gost_yescrypt_hash         gy\${c2-12}\${c1-86}\${c43}
openshift_user_token       sha256~{t43}                                gitleaks:openshift-user-token
rsa_private_key_base64     LS0tLS1CRUdJTiBSU0EgUFJJVkFURSB{B40-8000}   noseyparker:pem.2
ec_private_key_base64      LS0tLS1CRUdJTiBFQyBQUklWQVRFIEtFWS0{B40-8000} noseyparker:pem.2
private_key_base64         LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0{B40-8000}   noseyparker:pem.2
dsa_private_key_base64     LS0tLS1CRUdJTiBEU0EgUFJJVkFURSB{B40-8000}   noseyparker:pem.2
ssh_private_key_base64     LS0tLS1CRUdJTiBPUEVOU1NIIFBSSVZBVEUg{B40-8000} noseyparker:pem.2
pgp_private_key_base64     LS0tLS1CRUdJTiBQR1AgUFJJVkFURSB{B40-8000}
encrypted_key_base64       LS0tLS1CRUdJTiBFTkNSWVBURUQgUFJJVkFURS{B40-8000}
putty_private_key          PuTTY-User-Key-File-{d1}                    seen:public-code
argon2id_hash              argon2id$v={d1-3}$m={x3-40},t={d1-3},p={d1-3}\${B8-90}\${B20-180} seen:public-code
argon2i_hash               argon2i$v={d1-3}$m={x3-40},t={d1-3},p={d1-3}\${B8-90}\${B20-180}
`
